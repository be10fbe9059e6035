-- Traces of a team. The tables are those of `../../sqlite/schema.sql`, which says what lies where;
-- texts are ordered by their bytes, as the ids in them are.

CREATE TABLE chunks (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  trace text COLLATE "C" NOT NULL,
  count integer NOT NULL,
  data bytea NOT NULL
);
CREATE INDEX chunks_by_trace ON chunks (trace);

-- `shown` is what the view `spans` takes apart: the server cannot read `columns` and `bodies`.
CREATE TABLE packs (
  trace text COLLATE "C" NOT NULL,
  part integer NOT NULL,
  count integer NOT NULL,
  start_ns bigint NOT NULL,
  columns bytea NOT NULL,
  bodies bytea NOT NULL,
  shown json NOT NULL,
  PRIMARY KEY (trace, part)
);
-- They are compressed already.
ALTER TABLE packs ALTER columns SET STORAGE EXTERNAL, ALTER bodies SET STORAGE EXTERNAL;

CREATE TABLE open_spans (
  trace text COLLATE "C" NOT NULL,
  span text COLLATE "C" NOT NULL,
  parent text COLLATE "C",
  name text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  start_ns bigint NOT NULL,
  ring text COLLATE "C" NOT NULL,
  PRIMARY KEY (trace, span)
);
CREATE INDEX open_by_ring ON open_spans (ring);

CREATE TABLE rings (
  ring text COLLATE "C" PRIMARY KEY,
  segment bigint NOT NULL,
  "offset" bigint NOT NULL
);

CREATE TABLE dirty (trace text COLLATE "C" PRIMARY KEY, number bigint NOT NULL);
CREATE INDEX dirty_by_number ON dirty (number);

CREATE TABLE parts (hash bytea PRIMARY KEY, at_ns bigint NOT NULL, data bytea NOT NULL);
ALTER TABLE parts ALTER data SET STORAGE EXTERNAL;

CREATE TABLE part_uses (
  trace text COLLATE "C" NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (trace, hash)
);
CREATE INDEX part_uses_by_hash ON part_uses (hash);

CREATE TABLE losses (why text COLLATE "C" PRIMARY KEY, count bigint NOT NULL);

CREATE TABLE digests (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  trace text COLLATE "C" NOT NULL UNIQUE,
  name text COLLATE "C" NOT NULL,
  start_ns bigint NOT NULL,
  duration_ns bigint NOT NULL,
  status text COLLATE "C" NOT NULL,
  spans bigint NOT NULL,
  errors bigint NOT NULL,
  workflow text COLLATE "C" NOT NULL,
  session text COLLATE "C" NOT NULL,
  "user" text COLLATE "C" NOT NULL,
  release text COLLATE "C" NOT NULL,
  usage text NOT NULL,
  cost_msat bigint,
  cost_micros bigint,
  currency text COLLATE "C" NOT NULL,
  cost_known boolean NOT NULL,
  error text NOT NULL,
  labels text NOT NULL,
  pinned boolean NOT NULL DEFAULT false
);
CREATE INDEX digests_by_start ON digests (start_ns, trace);
CREATE INDEX digests_by_duration ON digests (duration_ns, trace);
CREATE INDEX digests_by_cost ON digests (coalesce(cost_msat, -1), trace);

-- Words by Porter's stems and without stop words, as FTS5 has them.
CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = snowball, Language = porter);
CREATE TEXT SEARCH CONFIGURATION words (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING REPLACE simple WITH stems;

-- What a person typed, as `../words.py` prepares it.
CREATE FUNCTION typed(prepared text) RETURNS tsquery STABLE LANGUAGE sql AS $$
  SELECT to_tsquery('words', split_part(prepared, '|', 1))
    && to_tsquery('pg_catalog.simple', split_part(prepared, '|', 2))
$$;

CREATE TABLE words (rowid bigint PRIMARY KEY, text tsvector NOT NULL);
CREATE INDEX words_by_text ON words USING gin (text);

CREATE TABLE calls (
  trace text COLLATE "C" NOT NULL,
  span text COLLATE "C" NOT NULL,
  start_ns bigint NOT NULL,
  duration_ns bigint NOT NULL,
  provider text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  input bigint, cache_read bigint, cache_write bigint, cache_write_1h bigint,
  output bigint, reasoning bigint,
  audio_input bigint, audio_output bigint, image_input bigint,
  told_msat bigint, priced_msat bigint,
  told_micros bigint, priced_micros bigint, currency text COLLATE "C" NOT NULL,
  ttft_ns bigint,
  PRIMARY KEY (trace, span)
);
CREATE INDEX calls_by_start ON calls (start_ns);

CREATE TABLE sightings (
  trace text COLLATE "C" NOT NULL,
  span text COLLATE "C" NOT NULL,
  fingerprint text COLLATE "C" NOT NULL,
  class text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  message text NOT NULL,
  origin boolean NOT NULL,
  swallowed boolean NOT NULL,
  at_ns bigint NOT NULL,
  PRIMARY KEY (trace, span, fingerprint)
);
CREATE INDEX sightings_by_fingerprint ON sightings (fingerprint);

CREATE TABLE names (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL
);
-- Names may be longer than what an ordered index holds.
CREATE UNIQUE INDEX names_are_unique ON names (md5(name));
CREATE INDEX names_by_name ON names USING hash (name);

CREATE TABLE name_uses (
  name bigint NOT NULL,
  trace text COLLATE "C" NOT NULL,
  longest_ns bigint NOT NULL,
  PRIMARY KEY (name, trace)
);
CREATE INDEX name_uses_by_trace ON name_uses (trace);
CREATE INDEX name_uses_by_length ON name_uses (name, longest_ns);

CREATE TABLE sketches (
  name bigint NOT NULL,
  hour bigint NOT NULL,
  release text COLLATE "C" NOT NULL,
  count bigint NOT NULL,
  errors bigint NOT NULL,
  total_ns bigint NOT NULL,
  buckets bytea NOT NULL,
  PRIMARY KEY (name, hour, release)
);
