-- What people may ask of in SQL: the views of `../../sqlite/views.sql` in a schema of their own, since
-- they have the names of tables. Whoever may only read needs rights on that schema alone.
DO $$
BEGIN
  -- Asked first, as IF NOT EXISTS wants the right to make it also where somebody has made it.
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = current_schema() || '_views') THEN
    EXECUTE format('CREATE SCHEMA %I', current_schema() || '_views');
  END IF;
  PERFORM set_config(
    'search_path', format('%I, %I', current_schema() || '_views', current_schema()), true
  );
END $$;

CREATE VIEW traces AS
SELECT trace AS id, name, status, start_ns / 1e9::double precision AS start,
  duration_ns / 1e6::double precision AS duration_ms, spans, errors, error, workflow, session, "user",
  release, cost_msat, cost_micros, currency, cost_known, usage::jsonb AS tokens, labels, pinned
FROM digests;

CREATE VIEW calls AS
SELECT c.trace, c.span, d.name AS trace_name, d.workflow, d.user, c.provider, c.model,
  c.start_ns / 1e9::double precision AS start, c.duration_ns / 1e6::double precision AS duration_ms,
  c.ttft_ns / 1e6::double precision AS ttft_ms,
  c.input, c.cache_read, c.cache_write, c.cache_write_1h, c.output, c.reasoning,
  coalesce(c.told_msat, c.priced_msat) AS cost_msat,
  coalesce(c.told_micros, c.priced_micros) AS cost_micros, c.currency
FROM calls c JOIN digests d ON d.trace = c.trace;

CREATE VIEW errors AS
SELECT s.trace, s.span, s.fingerprint, s.class, s.kind AS type, s.message, s.origin, s.swallowed,
  s.at_ns / 1e9::double precision AS at
FROM sightings s;

CREATE VIEW names AS
SELECT n.name, u.trace, u.longest_ns / 1e6::double precision AS longest_ms
FROM name_uses u JOIN names n ON n.number = u.name;

CREATE VIEW spans AS
SELECT p.trace, r ->> 0 AS span, r ->> 1 AS parent, r ->> 2 AS name, r ->> 3 AS kind,
  (r ->> 4)::bigint / 1e9::double precision AS start,
  (r ->> 5)::bigint / 1e6::double precision AS duration_ms,
  r ->> 6 AS status, r ->> 7 AS error, r -> 8 AS attributes
FROM packs p, jsonb_array_elements(p.shown::jsonb) r;
