-- What people may ask of in SQL. The names and columns of these views stay the same; times are in
-- milliseconds, instants are seconds of the epoch, money is msat and millionths of a currency.
CREATE TEMP VIEW traces AS
SELECT trace AS id, name, status, start_ns / 1e9 AS start, duration_ns / 1e6 AS duration_ms,
  spans, errors, error, workflow, session, user, release, cost_msat, cost_micros, currency,
  cost_known, usage AS tokens, labels, pinned
FROM main.digests;

CREATE TEMP VIEW calls AS
SELECT c.trace, c.span, d.name AS trace_name, d.workflow, d.user, c.provider, c.model,
  c.start_ns / 1e9 AS start, c.duration_ns / 1e6 AS duration_ms, c.ttft_ns / 1e6 AS ttft_ms,
  c.input, c.cache_read, c.cache_write, c.cache_write_1h, c.output, c.reasoning,
  coalesce(c.told_msat, c.priced_msat) AS cost_msat,
  coalesce(c.told_micros, c.priced_micros) AS cost_micros, c.currency
FROM main.calls c JOIN main.digests d ON d.trace = c.trace;

CREATE TEMP VIEW errors AS
SELECT s.trace, s.span, s.fingerprint, s.class, s.kind AS type, s.message, s.origin, s.swallowed,
  s.at_ns / 1e9 AS at
FROM main.sightings s;

CREATE TEMP VIEW names AS
SELECT n.name, u.trace, u.longest_ns / 1e6 AS longest_ms
FROM main.name_uses u JOIN main.names n ON n.number = u.name;

CREATE TEMP VIEW spans AS
SELECT p.trace, json_extract(r.value, '$[0]') AS span, json_extract(r.value, '$[1]') AS parent, json_extract(r.value, '$[2]') AS name,
  json_extract(r.value, '$[3]') AS kind, json_extract(r.value, '$[4]') / 1e9 AS start, json_extract(r.value, '$[5]') / 1e6 AS duration_ms,
  json_extract(r.value, '$[6]') AS status, json_extract(r.value, '$[7]') AS error, json_extract(r.value, '$[8]') AS attributes
FROM main.packs p, json_each(holdfast_rows(p.trace, p.count, p.columns, p.bodies)) r;
