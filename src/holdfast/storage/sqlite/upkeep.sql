-- Queries for looking after a SQLite store.

-- name: count_records
-- Also the expired ones that nobody has purged.
SELECT count(*) FROM records;

-- name: count_logs
-- Those that have an entry: of an erased one only the name is left.
SELECT count(DISTINCT log_id) FROM entries;

-- name: count_entries
-- All entries of all logs.
SELECT count(*) FROM entries;

-- name: find_holes
-- Logs whose entries are not numbered without gaps from where they begin.
SELECT logs.name, count(*), erased + 1, max(number)
FROM logs JOIN entries ON entries.log_id = logs.id
GROUP BY logs.id HAVING count(*) <> max(number) - erased OR min(number) <> erased + 1;

-- name: find_old_holes
-- The same in a file of schema 1, in which every log begins with 1.
SELECT logs.name, count(*), 1, max(number) FROM logs JOIN entries ON entries.log_id = logs.id
GROUP BY logs.id HAVING count(*) <> max(number) OR min(number) <> 1;

-- name: find_stray_entries
-- Entries of logs that are not there.
SELECT count(*) FROM entries WHERE log_id NOT IN (SELECT id FROM logs);

-- name: find_late_versions
-- Records with versions that were never given out.
SELECT count(*) FROM records WHERE version > (SELECT version FROM counter);
