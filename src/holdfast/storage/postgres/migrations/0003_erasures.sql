-- Logs that can be erased: everything up to `erased` is gone, and numbers go on behind it.
ALTER TABLE logs ADD COLUMN erased bigint NOT NULL DEFAULT 0;

-- last_entry: the number of the last entry of a log, 0 if it has none.
CREATE FUNCTION last_entry(log_name bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    SELECT last INTO number FROM logs WHERE name = log_name AND last > erased;
    RETURN coalesce(number, 0);
END $$;

-- extend_log: take the numbers for `size` more entries; the row stays locked to the commit, so
-- the numbers have no gaps and are seen in order.
CREATE OR REPLACE FUNCTION extend_log(
    log_name bytea, size bigint, expected bigint,
    OUT refused boolean, OUT log_number bigint, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    prefixes bytea[] := watched(log_name);
BEGIN
    refused := false;
    LOOP
        UPDATE logs SET last = last + size
        WHERE name = log_name
            AND expected IN (-1, CASE WHEN last > erased THEN last ELSE 0 END)
        RETURNING id, last INTO log_number, number;
        EXIT WHEN FOUND;
        IF expected <= 0 THEN
            INSERT INTO logs (name, last) VALUES (log_name, size) ON CONFLICT (name) DO NOTHING
            RETURNING id, last INTO log_number, number;
            EXIT WHEN FOUND;
        END IF;
        number := last_entry(log_name);
        IF expected NOT IN (-1, number) THEN
            refused := true;
            RETURN;
        END IF;
    END LOOP;
    PERFORM notify_watchers(prefixes);
END $$;

-- append_entries: add entries behind the last one.
CREATE OR REPLACE FUNCTION append_entries(
    log_name bytea, contents bytea[], expected bigint, OUT refused boolean, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    size bigint := cardinality(contents);
    log_number bigint;
BEGIN
    SELECT outcome.refused, outcome.log_number, outcome.number INTO refused, log_number, number
    FROM extend_log(log_name, size, expected) AS outcome;
    IF refused THEN
        RETURN;
    END IF;
    INSERT INTO entries (log_id, number, value)
    SELECT log_number, append_entries.number - size + place, content
    FROM unnest(contents) WITH ORDINALITY AS entry (content, place);
    IF size = 0 THEN
        number := last_entry(log_name);
    END IF;
END $$;

-- erase_log: compare and remove. The row keeps the number behind which the log goes on.
CREATE FUNCTION erase_log(
    log_name bytea, expected bigint, OUT refused boolean, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    prefixes bytea[] := watched(log_name);
    log_number bigint;
BEGIN
    refused := false;
    LOOP
        UPDATE logs SET erased = last
        WHERE name = log_name AND last > erased AND expected IN (-1, last)
        RETURNING id INTO log_number;
        EXIT WHEN FOUND;
        number := last_entry(log_name);
        refused := expected NOT IN (-1, number);
        IF refused OR number = 0 THEN
            RETURN;
        END IF;
    END LOOP;
    DELETE FROM entries WHERE log_id = log_number;
    number := 0;
    PERFORM notify_watchers(prefixes);
END $$;

-- first_refusal: the first operation of a batch whose condition does not hold, and what is there
-- instead; all conditions are seen at one moment.
CREATE OR REPLACE FUNCTION first_refusal(
    kinds text[], targets bytea[], expectations bigint[], moment bigint,
    OUT refused_at bigint, OUT number bigint
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT seen.place, seen.there INTO refused_at, number
    FROM (
        SELECT place, expected, CASE kind
            WHEN 'append' THEN coalesce((
                SELECT last FROM logs WHERE name = target AND last > erased
            ), 0)
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
