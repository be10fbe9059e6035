-- Queries of the Postgres backend; the functions are made by `migrations/`. A line `-- name: NAME`
-- begins a query; the line after it says what the query is for.

-- name: get_record
-- A live record.
SELECT value, version, expires_at, due_at FROM records
WHERE key = $1 AND (expires_at IS NULL OR expires_at > $2);

-- name: scan_records
-- A page of live records between two keys, both exclusive.
SELECT key, value, version, expires_at, due_at FROM records
WHERE key > $1 AND key < $2 AND (expires_at IS NULL OR expires_at > $3)
ORDER BY key LIMIT $4;

-- name: read_entries
-- The entries of a log behind a number; no limit if it is NULL.
SELECT number, value FROM entries
WHERE log_id = (SELECT id FROM logs WHERE name = $1) AND number > $2
ORDER BY number LIMIT $3;

-- name: list_logs
-- A page of the names of logs between two names, both exclusive. An append of nothing leaves a
-- log without entries, and so does an erasure.
SELECT name FROM logs WHERE name > $1 AND name < $2 AND last > erased ORDER BY name LIMIT $3;

-- name: put_record
-- Compare and set.
SELECT refused, number FROM put_record($1, $2, $3, $4, $5, $6, $7);

-- name: delete_record
-- Compare and remove.
SELECT refused, number FROM delete_record($1, $2, $3);

-- name: append_entries
-- Add entries behind the last one.
SELECT refused, number FROM append_entries($1, $2, $3);

-- name: erase_log
-- Compare and remove.
SELECT refused, number FROM erase_log($1, $2);

-- name: apply_batch
-- All operations or none.
SELECT refused_at, number FROM apply_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: claim_record
-- Lease the record that has been due longest.
SELECT key, value, version, expires_at, due_at FROM claim_record($1, $2, $3);

-- name: purge_records
-- Remove records that expired long ago.
SELECT purge_records($1) AS number;

-- name: watch_prefix
-- Begin to watch; waits for the writes under way.
SELECT watch_prefix($1, $2) AS number;

-- name: unwatch_prefix
-- Watch no more.
DELETE FROM watchers WHERE id = $1;

-- name: forget_listener
-- Watch nothing more on a connection that is about to close.
DELETE FROM watchers WHERE listener = $1;

-- name: probe
-- Whether the listening connection lives.
SELECT 1;

-- name: find_settings
-- What the server would lose in a power cut.
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
ORDER BY name;

-- name: find_namespace
-- Whether the schema exists. Like the next one it asks the tables themselves: what the server
-- keeps in memory of names may be older than the end of the wait for the lock.
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1);

-- name: find_migrations
-- Whether the schema has a store.
SELECT EXISTS (
    SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = 'holdfast_migrations'
);

-- name: find_schema
-- The newest migration that was applied.
SELECT coalesce(max(number), 0) FROM holdfast_migrations;

-- name: lock_migrations
-- One process migrates at a time; the lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('holdfast ' || $1, 1213156420));

-- name: create_migrations
-- The list of what was applied.
CREATE TABLE holdfast_migrations (
    number integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: insert_migration
-- Written in the transaction of the migration.
INSERT INTO holdfast_migrations (number) VALUES ($1);
