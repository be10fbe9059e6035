-- Queries of the index of the files backend, a copy of the journal that may be deleted at any
-- time. A line `-- name: NAME` begins a query; the line after it says what it is for.

-- name: create_applied
-- Where in the journal this index stands, in one row.
CREATE TABLE applied (
    segment INTEGER NOT NULL,
    byte_offset INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL,
    version INTEGER NOT NULL,
    is_sealed INTEGER NOT NULL
) STRICT;

-- name: create_records
-- A table with row numbers: an update leaves the key's index alone, large values waste no page.
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    expires_at INTEGER,
    due_at INTEGER,
    queue BLOB,
    value BLOB NOT NULL
) STRICT;

-- name: create_expiry_index
-- Only records that expire pay for it.
CREATE INDEX expiring_records ON records (expires_at) WHERE expires_at IS NOT NULL;

-- name: create_due_index
-- The order of claims; only records that wait to be claimed pay for it.
CREATE INDEX due_records ON records (queue, due_at, key) WHERE due_at IS NOT NULL;

-- name: create_logs
-- Names of logs, each written once; entries carry the short number. Everything up to `erased` was
-- removed.
CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,
    erased INTEGER NOT NULL DEFAULT 0
) STRICT;

-- name: create_entries
-- Entries in order of arrival, so that a group of many logs fills one page and not one page a log.
CREATE TABLE entries (
    log_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    value BLOB NOT NULL
) STRICT;

-- name: create_entry_index
-- The order within a log; its last number is the log's tail.
CREATE UNIQUE INDEX entry_order ON entries (log_id, number);

-- name: get_applied
-- What `apply` compares with, and where the journal is read from at opening.
SELECT segment, byte_offset, number, hash, version, is_sealed FROM applied;

-- name: get_number
-- Asked in front of every use, because the file may have been deleted.
SELECT number FROM applied;

-- name: clear_applied
-- Before the new row is written.
DELETE FROM applied;

-- name: set_applied
-- In the same transaction as the changes.
INSERT INTO applied (segment, byte_offset, number, hash, version, is_sealed)
VALUES (?, ?, ?, ?, ?, ?);

-- name: put_record
-- The newest state of a key.
INSERT INTO records (key, version, expires_at, due_at, queue, value) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at,
    due_at = excluded.due_at, queue = excluded.queue, value = excluded.value;

-- name: delete_record
-- A key that has no record any more.
DELETE FROM records WHERE key = ?;

-- name: purge_expired
-- Remove the oldest expired records, a bounded number in one go.
DELETE FROM records WHERE id IN (
    SELECT id FROM records WHERE expires_at <= ? ORDER BY expires_at LIMIT 1000
);

-- name: find_log
-- The number of a log, its tail, and up to where it was erased.
SELECT id, coalesce((SELECT max(number) FROM entries WHERE log_id = logs.id), erased), erased
FROM logs WHERE name = ?;

-- name: insert_log
-- The first entry of a log, or its erasure, gives it a number.
INSERT INTO logs (name) VALUES (?);

-- name: erase_entries
-- Everything up to the number.
DELETE FROM entries WHERE log_id = ? AND number <= ?;

-- name: mark_erased
-- In the same transaction.
UPDATE logs SET erased = ? WHERE id = ?;

-- name: insert_entry
-- An entry; one that is there already stays.
INSERT OR IGNORE INTO entries (log_id, number, value) VALUES (?, ?, ?);

-- name: get_record
-- The state of a key, expired or not, and how far the index is; one row in any case.
SELECT applied.number, value, records.version, expires_at, due_at
FROM applied LEFT JOIN records ON key = ?;

-- name: find_version
-- What a write compares with; the value stays where it is.
SELECT version, expires_at FROM records WHERE key = ?;

-- name: scan_records
-- A page of live records from one key on and below another one.
SELECT key, value, version, expires_at, due_at FROM records
WHERE key >= ? AND key < ? AND (expires_at IS NULL OR expires_at > ?)
ORDER BY key LIMIT ?;

-- name: all_records
-- Everything, for a snapshot.
SELECT key, value, version, expires_at, due_at FROM records ORDER BY key;

-- name: read_entries
-- The entries of a log behind a number.
SELECT number, value FROM entries
WHERE log_id = (SELECT id FROM logs WHERE name = ?) AND number > ?
ORDER BY number LIMIT ?;

-- name: list_logs
-- A page of names of logs that have entries.
SELECT name FROM logs
WHERE name >= ? AND name < ? AND (
    erased = 0 OR EXISTS (SELECT 1 FROM entries WHERE log_id = logs.id)
)
ORDER BY name LIMIT ?;

-- name: erased_logs
-- Up to where logs were erased, for a snapshot.
SELECT name, erased FROM logs WHERE erased > 0 ORDER BY name;

-- name: all_logs
-- Every name, for a snapshot.
SELECT name FROM logs ORDER BY name;

-- name: due_records
-- The records of a queue that are due, longest first, from behind a place on.
SELECT due_at, key, value, version, expires_at FROM records
WHERE queue = ? AND due_at <= ? AND due_at IS NOT NULL AND (due_at, key) > (?, ?)
    AND (expires_at IS NULL OR expires_at > ?)
ORDER BY due_at, key;
