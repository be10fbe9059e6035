-- Queries of the ledger. A line `-- name: NAME` begins a query; the line after it says what the query
-- is for.

-- name: insert_request
-- A request on its way.
INSERT INTO requests (
    request, at_ms, owner, run, key, policy, asked, class, stream, tier, complexity, other_scopes,
    provider, process, state, reserved_msat, held_msat
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?);

-- name: insert_refused
-- A request that was never on its way, and why.
INSERT INTO requests (
    request, at_ms, owner, run, key, policy, asked, class, stream, tier, complexity, process, state,
    reserved_msat, held_msat, outcome, message
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 3, 0, 0, ?, ?);

-- name: request_by_number
-- What deciding about a request needs.
SELECT number, state, held_msat, debit_msat, unknown, at_ms, owner, run, key, other_scopes
FROM requests WHERE number = ?;

-- name: request_by_id
-- The same by the id of the request.
SELECT number, state, held_msat, debit_msat, unknown, at_ms, owner, run, key, other_scopes
FROM requests WHERE request = ?;

-- name: requests_of_process
-- The same of all that a process has on their way.
SELECT number, state, held_msat, debit_msat, unknown, at_ms, owner, run, key, other_scopes
FROM requests WHERE process = ? AND state = 0;

-- name: processes_with_requests
-- Who has requests on their way.
SELECT DISTINCT process FROM requests WHERE state = 0;

-- name: settle_request
-- How a request ended, if it is still as it was seen.
UPDATE requests SET
    state = 2, held_msat = ?, debit_msat = ?, unknown = ?, quoted_msat = ?, outcome = ?, message = ?,
    provider = ?, model = ?, served_tier = ?, latency_ms = ?, first_byte_ms = ?, retries = ?, cut_off = ?,
    input_tokens = ?, output_tokens = ?, cache_read_tokens = ?, cache_write_tokens = ?,
    reasoning_tokens = ?
WHERE number = ? AND state = ? AND held_msat = ?;

-- name: insert_attempt
-- One call of a provider.
INSERT INTO attempts (
    request, place, provider, model, outcome, quoted_msat, charged_msat, latency_ms, first_byte_ms,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: release_request
-- Nothing was sent.
UPDATE requests SET state = 3, held_msat = 0, outcome = ?, message = ? WHERE number = ?;

-- name: extend_request
-- Hold more for a request.
UPDATE requests SET reserved_msat = ?, held_msat = ? WHERE number = ?;

-- name: doubt_request
-- Its process is gone.
UPDATE requests SET state = 1, unknown = 1, outcome = 'in_doubt' WHERE number = ?;

-- name: resolve_request
-- Somebody found out what it cost.
UPDATE requests SET
    state = 2, held_msat = 0, debit_msat = ?1, resolved_msat = ?1, unknown = 0
WHERE number = ?2;

-- name: find_tally
-- What a scope has spent and holds.
SELECT number, settled_msat, reserved_msat, in_doubt_msat, unknown_msat, requests, unknown_requests
FROM tallies WHERE kind = ? AND name = ?;

-- name: make_tally
-- A scope that is new.
INSERT INTO tallies (kind, name) VALUES (?, ?);

-- name: write_tally
-- What a scope has spent and holds now.
UPDATE tallies SET
    settled_msat = ?, reserved_msat = ?, in_doubt_msat = ?, unknown_msat = ?, requests = ?,
    unknown_requests = ?
WHERE number = ?;

-- name: read_request
-- A request as it stands.
SELECT number, request, at_ms, state, owner, run, key, policy, asked, class, stream, tier, served_tier,
    complexity, reserved_msat, held_msat, debit_msat, unknown, quoted_msat, outcome, message, provider, model,
    latency_ms, first_byte_ms, retries, cut_off, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens
FROM requests WHERE request = ?;

-- name: read_requests
-- The same of many; conditions, order and limit follow.
SELECT number, request, at_ms, state, owner, run, key, policy, asked, class, stream, tier, served_tier,
    complexity, reserved_msat, held_msat, debit_msat, unknown, quoted_msat, outcome, message, provider, model,
    latency_ms, first_byte_ms, retries, cut_off, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens
FROM requests;

-- name: read_attempts
-- The calls of a request, in their order.
SELECT provider, model, outcome, quoted_msat, charged_msat, latency_ms, first_byte_ms, input_tokens,
    output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens
FROM attempts WHERE request = ? ORDER BY place;

-- name: sum_requests
-- Sums of a group on one day; the group stands before it, conditions follow.
at_ms / 86400000, sum(state <> 3), sum(state = 3 AND outcome = 'refused'), sum(state = 2 AND outcome = 'ok'), sum(state = 2 AND outcome <> 'ok'),
    sum(state = 0), sum(state = 1), sum(unknown), sum(debit_msat), sum(held_msat), sum(input_tokens),
    sum(output_tokens), sum(cache_read_tokens), sum(retries), sum(latency_ms), count(latency_ms)
FROM requests;

-- name: recent_lengths
-- How long the last answers were, the newest first.
SELECT policy, model, class, output_tokens, cut_off FROM requests
WHERE state = 2 AND outcome = 'ok' AND retries = 0 AND output_tokens > 0
ORDER BY number DESC LIMIT ?;

-- name: all_requests
-- Whatever the tallies are the sums of.
SELECT number, state, held_msat, debit_msat, unknown, at_ms, owner, run, key, other_scopes
FROM requests;

-- name: all_tallies
-- The sums as they stand.
SELECT kind, name, settled_msat, reserved_msat, in_doubt_msat, unknown_msat, requests, unknown_requests
FROM tallies;

-- name: wrong_debits
-- Requests whose debit is not the sum of what their attempts were charged.
SELECT lower(hex(request)), debit_msat, charges FROM (
    SELECT request, debit_msat, coalesce(resolved_msat, (
        SELECT coalesce(sum(charged_msat), 0) FROM attempts WHERE attempts.request = number
    )) AS charges
    FROM requests
) WHERE debit_msat <> charges;

-- name: find_conduct
-- How a provider charged.
SELECT provider, recent, distrust FROM trust WHERE provider = ?;

-- name: all_conducts
-- How all providers charged.
SELECT provider, recent, distrust FROM trust ORDER BY provider;

-- name: write_conduct
-- How a provider charged up to now.
INSERT OR REPLACE INTO trust (provider, recent, distrust) VALUES (?, ?, ?);

-- name: charges_of_provider
-- What a provider is known to have charged, and for how many calls.
SELECT coalesce(sum(charged_msat), 0), count(charged_msat) FROM attempts WHERE provider = ?;

-- name: resolved_of_provider
-- What was found out later, beyond what was known of the same requests.
SELECT coalesce(sum(resolved_msat - (
    SELECT coalesce(sum(charged_msat), 0) FROM attempts WHERE request = number
)), 0), count(*) FROM requests
WHERE resolved_msat IS NOT NULL AND (provider = ?1 OR EXISTS (
    SELECT 1 FROM attempts
    WHERE request = number AND attempts.provider = ?1 AND charged_msat IS NULL
));

-- name: unknown_of_provider
-- Requests of which nobody knows what the provider charged, with what is held and what is known.
SELECT lower(hex(request)), held_msat, debit_msat FROM requests
WHERE unknown = 1 AND (provider = ?1 OR EXISTS (
    SELECT 1 FROM attempts
    WHERE request = number AND attempts.provider = ?1 AND charged_msat IS NULL
)) ORDER BY number;

-- name: open_of_provider
-- How many requests may be on their way to the provider.
SELECT count(*) FROM requests WHERE state = 0 AND provider = ?;
