-- Queries of the evidence. A line `-- name: NAME` begins a query; the line after it says what the query
-- is for.

-- name: read_pairs
-- Every comparison.
SELECT candidate, reference, segment, both, candidate_only, reference_only, neither FROM pairs;

-- name: read_pair
-- The counts of one comparison.
SELECT both, candidate_only, reference_only, neither FROM pairs
WHERE candidate = ? AND reference = ? AND segment = ?;

-- name: write_pair
-- The counts of one comparison, new or changed.
INSERT INTO pairs (candidate, reference, segment, both, candidate_only, reference_only, neither)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    both = excluded.both, candidate_only = excluded.candidate_only,
    reference_only = excluded.reference_only, neither = excluded.neither;

-- name: insert_check
-- A request that both models answered; the same one counts once.
INSERT OR IGNORE INTO checks (
    request, at_ms, candidate, reference, served, segments, candidate_good, reference_good, why
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: read_check
-- The same again.
SELECT candidate, reference, served, segments, candidate_good, reference_good
FROM checks WHERE request = ?;

-- name: correct_check
-- Somebody knows better.
UPDATE checks SET candidate_good = ?, reference_good = ?, why = ? WHERE request = ?;

-- name: insert_text
-- Where a text lies.
INSERT OR IGNORE INTO texts (key, vector) VALUES (?, ?);

-- name: insert_outcome
-- A judged answer.
INSERT INTO outcomes (at_ms, key, model, good, cost_msat) VALUES (?, ?, ?, ?, ?);

-- name: read_outcomes
-- What was judged since.
SELECT number, at_ms, key, vector, model, good, cost_msat
FROM outcomes JOIN texts USING (key) WHERE number > ? ORDER BY number;

-- name: insert_asked
-- A request that was answered.
INSERT OR IGNORE INTO asked (request, at_ms, key, model) VALUES (?, ?, ?, ?);

-- name: read_asked
-- Who answered a request, and where its text lies.
SELECT key, model FROM asked WHERE request = ?;

-- name: find_requests
-- Known requests whose ids begin so.
SELECT lower(hex(request)) AS id FROM asked WHERE id LIKE ?1
UNION SELECT lower(hex(request)) AS id FROM checks WHERE id LIKE ?1 LIMIT 2;

-- name: forget_pairs
-- Drop the proofs of and against a model.
DELETE FROM pairs WHERE candidate = ?1 OR reference = ?1;

-- name: forget_checks
-- Drop the requests that they were made of.
DELETE FROM checks WHERE candidate = ?1 OR reference = ?1;

-- name: forget_outcomes
-- Drop what was learned of a model.
DELETE FROM outcomes WHERE model = ?;

-- name: trim_outcomes
-- Keep the newest.
DELETE FROM outcomes WHERE number <= (SELECT max(number) FROM outcomes) - ?;

-- name: trim_asked
-- Keep the newest.
DELETE FROM asked WHERE number <= (SELECT max(number) FROM asked) - ?;

-- name: trim_checks
-- Keep the newest.
DELETE FROM checks WHERE request IN (
    SELECT request FROM checks ORDER BY at_ms DESC, request LIMIT -1 OFFSET ?
);

-- name: trim_texts
-- Drop what nothing refers to.
DELETE FROM texts WHERE key NOT IN (
    SELECT key FROM outcomes UNION ALL SELECT key FROM asked
);

-- name: find_embedder_table
-- Whether the file says whose its vectors are.
SELECT 1 FROM sqlite_master WHERE name = 'embedder';

-- name: make_embedder_table
-- Where the file says whose its vectors are: nothing for the built-in embedder.
CREATE TABLE IF NOT EXISTS embedder (name TEXT NOT NULL) STRICT;

-- name: read_embedder
-- Whose the vectors are.
SELECT name FROM embedder;

-- name: write_embedder
-- From now on they are those of this one.
INSERT INTO embedder (name) VALUES (?);

-- name: drop_embedder
-- They were those of another.
DELETE FROM embedder;

-- name: drop_outcomes
-- Judged answers whose texts have no place any more.
DELETE FROM outcomes;

-- name: drop_asked
-- Requests whose texts have no place any more.
DELETE FROM asked;

-- name: drop_texts
-- Places that another embedder gave.
DELETE FROM texts;
