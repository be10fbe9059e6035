-- Queries for looking after a SQLite store.

-- name: count_records
-- Also the expired ones that nobody has purged.
SELECT count(*) FROM records;

-- name: count_logs
-- Every log has an entry.
SELECT count(*) FROM logs;

-- name: count_entries
-- All entries of all logs.
SELECT count(*) FROM entries;

-- name: find_holes
-- Logs whose entries are not numbered from 1 without gaps.
SELECT logs.name, count(*), max(number) FROM logs JOIN entries ON entries.log_id = logs.id
GROUP BY logs.id HAVING count(*) <> max(number) OR min(number) <> 1;

-- name: find_stray_entries
-- Entries of logs that are not there.
SELECT count(*) FROM entries WHERE log_id NOT IN (SELECT id FROM logs);

-- name: find_late_versions
-- Records with versions that were never given out.
SELECT count(*) FROM records WHERE version > (SELECT version FROM counter);
