-- The tables of a store. Everything lies in the schema that is first on the search path.

-- Versions grow, also across delete and re-create. Numbers that refused writes drew are lost.
CREATE SEQUENCE versions;

-- Grows with every removal of a record, so that `put_record` notices one beside it.
CREATE SEQUENCE removals;
SELECT nextval('removals');

-- Keys are encoded, so the order of their bytes is the order of the keys. `queue` is the encoded
-- key without its last part, and set if and only if `due_at` is.
CREATE TABLE records (
    key bytea PRIMARY KEY,
    version bigint NOT NULL,
    expires_at bigint,
    due_at bigint,
    queue bytea,
    value bytea NOT NULL
);

-- Only records that expire pay for it.
CREATE INDEX expiring_records ON records (expires_at) WHERE expires_at IS NOT NULL;

-- The order of claims; only records that are due some time pay for it.
CREATE INDEX due_records ON records (queue, due_at, key) WHERE due_at IS NOT NULL;

-- Names of logs with the number of the last entry. The row's lock is the turn to append. Every
-- append writes the row anew, so its page keeps room for that.
CREATE TABLE logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name bytea NOT NULL UNIQUE,
    last bigint NOT NULL
) WITH (fillfactor = 50);

-- Entries carry the short number of their log.
CREATE TABLE entries (
    log_id bigint NOT NULL,
    number bigint NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (log_id, number)
);

-- Who watches what, by the process id of the connection that listens. The listeners do not
-- outlive a crash of the server, so this table need not either.
CREATE UNLOGGED TABLE watchers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    listener integer NOT NULL,
    prefix bytea NOT NULL
);
