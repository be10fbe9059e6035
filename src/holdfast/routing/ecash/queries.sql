-- Queries of the wallet. A line `-- name: NAME` begins a query; the line after it says what the query
-- is for.

-- name: insert_operation
-- Something that is to be done.
INSERT INTO operations (kind, phase, mint, amount, at_ms, node, quote, invoice, parent)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: advance_operation
-- How far it is now.
UPDATE operations SET phase = ?, message = ?, ended_ms = ? WHERE id = ?;

-- name: set_token
-- What is handed over.
UPDATE operations SET token = ? WHERE id = ?;

-- name: set_mint
-- Of which mint its coins are.
UPDATE operations SET mint = ? WHERE id = ?;

-- name: operation
-- One of them.
SELECT id, kind, phase, mint, amount, at_ms, ended_ms, node, quote, invoice, token, parent, message
FROM operations WHERE id = ?;

-- name: open_operations
-- Those that are not finished, in the order in which they began.
SELECT id, kind, phase, mint, amount, at_ms, ended_ms, node, quote, invoice, token, parent, message
FROM operations WHERE ended_ms IS NULL ORDER BY id;

-- name: newest_operations
-- Those that began last.
SELECT id, kind, phase, mint, amount, at_ms, ended_ms, node, quote, invoice, token, parent, message
FROM operations ORDER BY id DESC LIMIT ?;

-- name: insert_coin
-- A coin that is new here.
INSERT INTO coins (secret, mint, keyset, amount, signature, state, operation)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: coins_in_state
-- Coins of a mint, the largest first.
SELECT keyset, amount, secret, signature FROM coins
WHERE mint = ? AND state = ? ORDER BY amount DESC, secret;

-- name: coins_of_operation
-- Coins that an operation works with.
SELECT keyset, amount, secret, signature FROM coins
WHERE operation = ? AND state = ? ORDER BY amount, secret;

-- name: move_coins
-- Coins of an operation that change their state.
UPDATE coins SET state = ? WHERE operation = ? AND state = ?;

-- name: move_coin
-- One coin, if it is in the state that it was seen in.
UPDATE coins SET state = ?, operation = ? WHERE secret = ? AND state = ?;

-- name: return_coins
-- Coins that a token could not be taken back of go back to its operation.
UPDATE coins SET state = ?, operation = ? WHERE operation = ? AND state = ?;

-- name: delete_coins
-- Coins of somebody else that did not become ours.
DELETE FROM coins WHERE operation = ? AND state = ?;

-- name: coin_state
-- Whether a coin was ever here.
SELECT state FROM coins WHERE secret = ?;

-- name: sums_by_state
-- What coins are worth by mint and state.
SELECT mint, state, sum(amount), count(*) FROM coins GROUP BY mint, state;

-- name: insert_blank
-- A coin to be.
INSERT INTO blanks (operation, place, keyset, amount, secret, factor, blinded, given)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: blanks
-- The coins to be of an operation.
SELECT keyset, amount, secret, factor, blinded, given FROM blanks
WHERE operation = ? ORDER BY place;

-- name: delete_blanks
-- They are coins now.
DELETE FROM blanks WHERE operation = ?;

-- name: operations_with_blanks
-- Operations that ended without coins: a mint may have signed them after all.
SELECT DISTINCT operation FROM blanks
JOIN operations ON operations.id = operation WHERE ended_ms IS NOT NULL;

-- name: insert_entry
-- One side of a booking.
INSERT INTO entries (operation, at_ms, account, msat) VALUES (?, ?, ?, ?);

-- name: accounts
-- What stands on each account.
SELECT account, sum(msat) FROM entries GROUP BY account ORDER BY account;

-- name: account
-- What stands on one.
SELECT coalesce(sum(msat), 0) FROM entries WHERE account = ?;

-- name: operation_fees
-- What an operation cost in fees.
SELECT coalesce(sum(msat), 0) FROM entries WHERE operation = ? AND account LIKE 'fees%';

-- name: unbalanced
-- Operations whose bookings do not come to nothing.
SELECT operation, sum(msat) FROM entries GROUP BY operation HAVING sum(msat) <> 0;

-- name: node
-- What is known of a node that is paid.
SELECT name, url, key, mint FROM nodes WHERE name = ?;

-- name: write_node
-- The same as it is now.
INSERT OR REPLACE INTO nodes (name, url, key, mint) VALUES (?, ?, ?, ?);

-- name: write_found
-- A node that somebody told of; what a person decided about it stays.
INSERT INTO found (url, name, mints, author, source, version, said_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (url) DO UPDATE SET
    name = excluded.name, mints = excluded.mints, author = excluded.author,
    source = excluded.source, version = excluded.version, said_at_ms = excluded.said_at_ms
WHERE excluded.said_at_ms >= said_at_ms;

-- name: found
-- All nodes that others told of.
SELECT url, name, mints, author, source, version, said_at_ms, accepted, topup_sat, limit_sat
FROM found ORDER BY accepted = '', name, url;

-- name: accept
-- A node that may be paid from now on, or no longer.
UPDATE found SET accepted = ?, topup_sat = ?, limit_sat = ? WHERE url = ?;
