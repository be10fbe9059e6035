-- Queries of the SQLite backend. A line `-- name: NAME` begins a query; the line after it says
-- what the query is for.

-- name: create_counter
-- The last version that was given out, in one row: versions grow also across delete and re-create.
CREATE TABLE counter (version INTEGER NOT NULL) STRICT;

-- name: start_counter
-- The counter of a new store.
INSERT INTO counter (version) VALUES (0);

-- name: create_records
-- A table with row numbers: an update leaves the key's index alone, large values waste no page.
-- `queue` is the key without its last part, of records that have `due_at`.
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
-- Each queue in the order in which it is claimed; records that are not queued pay nothing.
CREATE INDEX due_records ON records (queue, due_at, key) WHERE due_at IS NOT NULL;

-- name: create_logs
-- Names of logs, each written once; entries carry the short number. Everything up to `erased` was
-- removed, and numbers go on behind it.
CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,
    erased INTEGER NOT NULL DEFAULT 0
) STRICT;

-- name: add_erased
-- Schema 2: a file of schema 1 becomes one by this.
ALTER TABLE logs ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;

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

-- name: get_counter
-- Read once after another process wrote.
SELECT version FROM counter;

-- name: set_counter
-- Written once a transaction, however many records it puts.
UPDATE counter SET version = ?;

-- name: find_record
-- What a write compares with, expired or not.
SELECT id, version, expires_at FROM records WHERE key = ?;

-- name: insert_record
-- A key that has no row.
INSERT INTO records (key, version, expires_at, due_at, queue, value) VALUES (?, ?, ?, ?, ?, ?);

-- name: update_record
-- A key that has a row, be it expired.
UPDATE records SET version = ?, expires_at = ?, due_at = ?, queue = ?, value = ? WHERE id = ?;

-- name: find_due
-- The live record of a queue that has been due longest; answered along `due_records`.
SELECT id, key, value, expires_at FROM records
WHERE queue = ? AND due_at <= ? AND (expires_at IS NULL OR expires_at > ?)
ORDER BY due_at, key LIMIT 1;

-- name: lease_record
-- The claim of what `find_due` found.
UPDATE records SET version = ?, due_at = ? WHERE id = ?;

-- name: delete_record
-- By row, after the comparison.
DELETE FROM records WHERE id = ?;

-- name: any_expired
-- Whether a purge has work; answered by the index alone.
SELECT 1 FROM records WHERE expires_at <= ? LIMIT 1;

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
-- The first entry of a log gives it a number.
INSERT INTO logs (name) VALUES (?);

-- name: insert_entry
-- One entry of an append.
INSERT INTO entries (log_id, number, value) VALUES (?, ?, ?);

-- name: erase_entries
-- All entries of a log.
DELETE FROM entries WHERE log_id = ?;

-- name: mark_erased
-- In the same transaction: the number behind which the log goes on.
UPDATE logs SET erased = ? WHERE id = ?;

-- name: get_record
-- A live record.
SELECT value, version, expires_at, due_at FROM records
WHERE key = ? AND (expires_at IS NULL OR expires_at > ?);

-- name: scan_records
-- A page of live records between two keys, both exclusive.
SELECT key, value, version, expires_at, due_at FROM records
WHERE key > ? AND key < ? AND (expires_at IS NULL OR expires_at > ?)
ORDER BY key LIMIT ?;

-- name: read_entries
-- The entries of a log behind a number.
SELECT number, value FROM entries
WHERE log_id = (SELECT id FROM logs WHERE name = ?) AND number > ?
ORDER BY number LIMIT ?;

-- name: list_logs
-- A page of names of logs between two names, both exclusive. A log has a row from its first entry,
-- and keeps it when it is erased.
SELECT name FROM logs
WHERE name > ? AND name < ? AND (
    erased = 0 OR EXISTS (SELECT 1 FROM entries WHERE log_id = logs.id)
)
ORDER BY name LIMIT ?;
