-- The writes, one function each, so that a write is one round trip.
--
-- They rely on READ COMMITTED: every statement of such a function sees what was committed when
-- the statement began. `moment` is the caller's clock in milliseconds.

-- watch_lock: the number of the lock between writers (shared) and those who begin to watch.
CREATE FUNCTION watch_lock() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN (1213156420::bigint << 32) | 'watchers'::regclass::oid::bigint;
END $$;

-- watched: the watched prefixes of a key or of the name of a log.
-- It is asked before any row is locked, so that nobody waits in a circle. Who begins to watch
-- waits for the writers that did not see him: their changes are there when his watch begins.
CREATE FUNCTION watched(target bytea) RETURNS bytea[] LANGUAGE plpgsql AS $$
DECLARE
    prefixes bytea[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(watch_lock());
    SELECT array_agg(DISTINCT prefix) INTO prefixes FROM watchers
    WHERE substr(target, 1, length(prefix)) = prefix;
    RETURN prefixes;
END $$;

-- notify_watchers: tell them with the commit. Without watchers this must not notify: such
-- commits of one database pass one at a time, and would not share the sync of the disk.
CREATE FUNCTION notify_watchers(prefixes bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF prefixes IS NOT NULL THEN
        PERFORM pg_notify('holdfast_' || current_schema(), encode(prefix, 'hex'))
        FROM unnest(prefixes) AS prefix;
    END IF;
END $$;

-- watch_prefix: begin to watch, and forget who is gone.
CREATE FUNCTION watch_prefix(listening integer, wanted bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(watch_lock());
    DELETE FROM watchers WHERE NOT EXISTS (
        SELECT FROM pg_stat_activity WHERE pid = watchers.listener
    );
    INSERT INTO watchers (listener, prefix) VALUES (listening, wanted) RETURNING id INTO number;
    RETURN number;
END $$;

-- live_version: the version of a record, 0 for none.
CREATE FUNCTION live_version(target bytea, moment bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    SELECT version INTO number FROM records
    WHERE key = target AND (expires_at IS NULL OR expires_at > moment);
    RETURN coalesce(number, 0);
END $$;

-- put_record: compare and set.
-- Both statements that write look at the newest committed row, after they waited for whoever
-- held it, so two writers cannot both find their expectation met. A refusal must name what was
-- there, and is seen by a later statement; if by then the expectation is met, it tries again.
CREATE FUNCTION put_record(
    target bytea, content bytea, expected bigint,
    expiry bigint, due bigint, parent bytea, moment bigint,
    OUT refused boolean, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    prefixes bytea[] := watched(target);
    removed bigint;
    drawn bigint;
BEGIN
    refused := false;
    LOOP
        IF expected > 0 THEN
            UPDATE records
            SET version = nextval('versions'), value = content,
                expires_at = expiry, due_at = due, queue = parent
            WHERE key = target AND version = expected
                AND (expires_at IS NULL OR expires_at > moment)
            RETURNING version INTO number;
        ELSE
            SELECT last_value INTO removed FROM removals;
            drawn := nextval('versions');
            INSERT INTO records (key, version, value, expires_at, due_at, queue)
            VALUES (target, drawn, content, expiry, due, parent)
            ON CONFLICT (key) DO UPDATE
            SET version = nextval('versions'), value = content,
                expires_at = expiry, due_at = due, queue = parent
            WHERE expected = -1 OR records.expires_at <= moment
            RETURNING version INTO number;
        END IF;
        EXIT WHEN number IS NOT NULL;
        number := live_version(target, moment);
        IF expected NOT IN (-1, number) THEN
            refused := true;
            RETURN;
        END IF;
        number := NULL;
    END LOOP;
    -- Between our draw and our insert another record may have lived and died under this key,
    -- with a greater version than ours. Now the key is ours, and a new draw is greater.
    IF number = drawn THEN
        IF removed <> (SELECT last_value FROM removals) THEN
            UPDATE records SET version = nextval('versions') WHERE key = target
            RETURNING version INTO number;
        END IF;
    END IF;
    PERFORM notify_watchers(prefixes);
END $$;

-- delete_record: compare and remove.
-- "Absent" is a condition that must hold to the end of a batch, and what is not there cannot be
-- locked: so it is written and removed, which nobody sees.
CREATE FUNCTION delete_record(
    target bytea, expected bigint, moment bigint, OUT refused boolean, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    prefixes bytea[] := watched(target);
    wanted bigint := expected;
BEGIN
    refused := false;
    IF expected = 0 THEN
        SELECT outcome.refused, outcome.number INTO refused, number
        FROM put_record(target, '', 0, NULL, NULL, NULL, moment) AS outcome;
        IF refused THEN
            RETURN;
        END IF;
        wanted := number;
    END IF;
    LOOP
        DELETE FROM records
        WHERE key = target AND wanted IN (-1, version)
            AND (expires_at IS NULL OR expires_at > moment);
        EXIT WHEN FOUND;
        number := live_version(target, moment);
        IF number = 0 AND wanted = -1 THEN
            RETURN;
        END IF;
        IF wanted NOT IN (-1, number) THEN
            refused := true;
            RETURN;
        END IF;
    END LOOP;
    PERFORM nextval('removals');
    PERFORM notify_watchers(prefixes);
END $$;

-- extend_log: take the numbers for `size` more entries; the row stays locked to the commit, so
-- the numbers have no gaps and are seen in order.
CREATE FUNCTION extend_log(
    log_name bytea, size bigint, expected bigint,
    OUT refused boolean, OUT log_number bigint, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    prefixes bytea[] := watched(log_name);
BEGIN
    refused := false;
    LOOP
        UPDATE logs SET last = last + size WHERE name = log_name AND expected IN (-1, last)
        RETURNING id, last INTO log_number, number;
        EXIT WHEN FOUND;
        IF expected <= 0 THEN
            INSERT INTO logs (name, last) VALUES (log_name, size) ON CONFLICT (name) DO NOTHING
            RETURNING id, last INTO log_number, number;
            EXIT WHEN FOUND;
        END IF;
        SELECT last INTO number FROM logs WHERE name = log_name;
        number := coalesce(number, 0);
        IF expected NOT IN (-1, number) THEN
            refused := true;
            RETURN;
        END IF;
    END LOOP;
    PERFORM notify_watchers(prefixes);
END $$;

-- append_entries: add entries behind the last one.
CREATE FUNCTION append_entries(
    log_name bytea, contents bytea[], expected bigint, OUT refused boolean, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    size bigint := cardinality(contents);
    log_number bigint;
BEGIN
    SELECT outcome.refused, outcome.log_number, outcome.number INTO refused, log_number, number
    FROM extend_log(log_name, size, expected) AS outcome;
    IF NOT refused THEN
        INSERT INTO entries (log_id, number, value)
        SELECT log_number, append_entries.number - size + place, content
        FROM unnest(contents) WITH ORDINALITY AS entry (content, place);
    END IF;
END $$;

-- first_refusal: the first operation of a batch whose condition does not hold, and what is there
-- instead; all conditions are seen at one moment.
CREATE FUNCTION first_refusal(
    kinds text[], targets bytea[], expectations bigint[], moment bigint,
    OUT refused_at bigint, OUT number bigint
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT seen.place, seen.there INTO refused_at, number
    FROM (
        SELECT place, expected, CASE kind
            WHEN 'append' THEN coalesce((SELECT last FROM logs WHERE name = target), 0)
            ELSE coalesce((
                SELECT version FROM records
                WHERE key = target AND (expires_at IS NULL OR expires_at > moment)
            ), 0)
        END AS there
        FROM unnest(kinds, targets, expectations)
            WITH ORDINALITY AS operation (kind, target, expected, place)
    ) AS seen
    WHERE seen.expected NOT IN (-1, seen.there) ORDER BY seen.place LIMIT 1;
END $$;

-- apply_batch: all operations or none; refused_at is NULL, or the place of the refused one.
-- They are tried in the order of their targets, whatever their order in the batch, so that two
-- batches never wait for one another in a circle. Which one was refused *first* is found after
-- all of it was undone. `owners` and `places` say of each entry to which operation it belongs
-- and where in it.
CREATE FUNCTION apply_batch(
    kinds text[], targets bytea[], expectations bigint[],
    contents bytea[], expiries bigint[], dues bigint[], parents bytea[], sizes bigint[],
    owners integer[], places bigint[], bodies bytea[], moment bigint,
    OUT refused_at bigint, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    operation record;
    outcome record;
    log_numbers bigint[];
    beginnings bigint[];
BEGIN
    LOOP
        BEGIN
            log_numbers := array_fill(0::bigint, ARRAY[cardinality(kinds)]);
            beginnings := log_numbers;
            FOR operation IN
                SELECT * FROM unnest(
                    kinds, targets, expectations, contents, expiries, dues, parents, sizes
                ) WITH ORDINALITY AS each (
                    kind, target, expected, content, expiry, due, parent, size, place
                )
                ORDER BY each.kind = 'append', each.target
            LOOP
                CASE operation.kind
                WHEN 'put' THEN
                    SELECT * INTO outcome FROM put_record(
                        operation.target, operation.content, operation.expected,
                        operation.expiry, operation.due, operation.parent, moment
                    );
                WHEN 'delete' THEN
                    SELECT * INTO outcome
                    FROM delete_record(operation.target, operation.expected, moment);
                WHEN 'append' THEN
                    SELECT * INTO outcome
                    FROM extend_log(operation.target, operation.size, operation.expected);
                    log_numbers[operation.place] := outcome.log_number;
                    beginnings[operation.place] := outcome.number - operation.size;
                END CASE;
                IF outcome.refused THEN
                    RAISE SQLSTATE 'HF001';
                END IF;
            END LOOP;
            INSERT INTO entries (log_id, number, value)
            SELECT log_numbers[owner], beginnings[owner] + place, body
            FROM unnest(owners, places, bodies) AS entry (owner, place, body);
            RETURN;
        EXCEPTION WHEN SQLSTATE 'HF001' THEN
            -- The operations so far are undone.
        END;
        SELECT refusal.refused_at, refusal.number INTO refused_at, number
        FROM first_refusal(kinds, targets, expectations, moment) AS refusal;
        IF refused_at IS NOT NULL THEN
            RETURN;
        END IF;
    END LOOP;
END $$;

-- claim_record: lease the record that has been due longest; no row if none is due.
-- It passes over rows that others hold, so claims do not wait for one another. Only if nothing
-- else is due does it wait for them: their holder may yet leave them due.
CREATE FUNCTION claim_record(parent bytea, lease_end bigint, moment bigint)
RETURNS SETOF records LANGUAGE plpgsql AS $$
DECLARE
    chosen bytea;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(watch_lock());
    LOOP
        SELECT key INTO chosen FROM records
        WHERE queue = parent AND due_at <= moment AND (expires_at IS NULL OR expires_at > moment)
        ORDER BY due_at, key LIMIT 1 FOR UPDATE SKIP LOCKED;
        EXIT WHEN FOUND;
        PERFORM FROM records
        WHERE queue = parent AND due_at <= moment AND (expires_at IS NULL OR expires_at > moment)
        LIMIT 1;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        SELECT key INTO chosen FROM records
        WHERE queue = parent AND due_at <= moment AND (expires_at IS NULL OR expires_at > moment)
        ORDER BY due_at, key LIMIT 1 FOR UPDATE;
        EXIT WHEN FOUND;
    END LOOP;
    PERFORM notify_watchers(watched(chosen));
    RETURN QUERY
    UPDATE records SET due_at = lease_end, version = nextval('versions') WHERE key = chosen
    RETURNING records.*;
END $$;

-- purge_records: remove the oldest records that expired by then, at most 1,000, and tell how many.
CREATE FUNCTION purge_records(moment bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    WITH expired AS MATERIALIZED (
        SELECT key FROM records WHERE expires_at <= moment
        ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM records USING expired WHERE records.key = expired.key;
    GET DIAGNOSTICS number = ROW_COUNT;
    PERFORM nextval('removals');
    RETURN number;
END $$;
