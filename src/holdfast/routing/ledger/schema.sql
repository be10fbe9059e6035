-- The schema of the ledger. Amounts are whole msat, times milliseconds of the epoch.

-- Each request once. `state` is 0 open, 1 in doubt, 2 settled, 3 released. `held_msat` is what caps
-- count beyond `debit_msat`; `unknown` says that the debit is not the whole cost. The debit is the sum of
-- the charges of its attempts, or `resolved_msat` where somebody found out later. `tier` is the one that
-- was asked for or that the request looked like, `served_tier` that of who served it.
CREATE TABLE requests (
    number INTEGER PRIMARY KEY,
    request BLOB NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    owner TEXT NOT NULL,
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    policy TEXT NOT NULL,
    asked TEXT NOT NULL,
    class TEXT NOT NULL,
    stream INTEGER NOT NULL,
    tier TEXT NOT NULL,
    served_tier TEXT NOT NULL DEFAULT '',
    complexity REAL,
    other_scopes TEXT,
    process TEXT NOT NULL,
    state INTEGER NOT NULL,
    reserved_msat INTEGER,
    held_msat INTEGER NOT NULL,
    debit_msat INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0,
    resolved_msat INTEGER,
    quoted_msat INTEGER,
    outcome TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    provider TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    latency_ms INTEGER,
    first_byte_ms INTEGER,
    retries INTEGER NOT NULL DEFAULT 0,
    cut_off INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER
) STRICT;

-- Lists and sums are by time.
CREATE INDEX requests_by_time ON requests (at_ms);

-- Requests on their way, which a process that dies leaves behind.
CREATE INDEX open_requests ON requests (process) WHERE state = 0;

-- The calls of providers that a request took.
CREATE TABLE attempts (
    request INTEGER NOT NULL REFERENCES requests (number),
    place INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    quoted_msat INTEGER,
    charged_msat INTEGER,
    latency_ms INTEGER NOT NULL,
    first_byte_ms INTEGER,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    PRIMARY KEY (request, place)
) STRICT, WITHOUT ROWID;

-- What each scope has spent and holds; the sums of `requests`.
CREATE TABLE tallies (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    settled_msat INTEGER NOT NULL DEFAULT 0,
    reserved_msat INTEGER NOT NULL DEFAULT 0,
    in_doubt_msat INTEGER NOT NULL DEFAULT 0,
    unknown_msat INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    unknown_requests INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, name)
) STRICT;

-- Whether each provider charged what it quoted. `recent` has a 1 for each of its last charges that was too
-- high and a 0 for others; `distrust` says why it gets no more requests.
CREATE TABLE trust (
    provider TEXT PRIMARY KEY,
    recent TEXT NOT NULL,
    distrust TEXT NOT NULL
) STRICT, WITHOUT ROWID;
