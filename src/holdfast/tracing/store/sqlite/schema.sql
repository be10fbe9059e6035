-- Traces in one file. Truth is in chunks, packs, open_spans and parts; all else is derived from
-- them by settling, and may be made anew. No foreign keys: spans may come before their trace.

-- Spans as they came in, those of one trace and one add together (store/encoding.py).
CREATE TABLE chunks (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  trace TEXT NOT NULL,
  count INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE INDEX chunks_by_trace ON chunks (trace);

-- Settled spans of a trace (store/packing.py); a later part wins over an earlier one.
CREATE TABLE packs (
  trace TEXT NOT NULL,
  part INTEGER NOT NULL,
  count INTEGER NOT NULL,
  start_ns INTEGER NOT NULL,
  columns BLOB NOT NULL,
  bodies BLOB NOT NULL,
  PRIMARY KEY (trace, part)
);

-- Spans that have begun and not ended, and the ring that said so.
CREATE TABLE open_spans (
  trace TEXT NOT NULL,
  span TEXT NOT NULL,
  parent TEXT,
  name NOT NULL,
  kind TEXT NOT NULL,
  start_ns INTEGER NOT NULL,
  ring TEXT NOT NULL,
  PRIMARY KEY (trace, span)
) WITHOUT ROWID;
CREATE INDEX open_by_ring ON open_spans (ring);

-- How far each ring of a process has been taken in.
CREATE TABLE rings (ring TEXT PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL) WITHOUT ROWID;

-- Traces that changed since they were settled, the oldest change first.
CREATE TABLE dirty (trace TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;

-- Compressed parts of payloads by their hash; `at_ns` is when one was last given.
CREATE TABLE parts (hash BLOB PRIMARY KEY, at_ns INTEGER NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;

-- Which traces refer to which parts.
CREATE TABLE part_uses (trace TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (trace, hash)) WITHOUT ROWID;

-- What could not be kept, by the reason.
CREATE TABLE losses (why TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;

-- One row a trace: what lists, filters and orders need.
CREATE TABLE digests (
  number INTEGER PRIMARY KEY,
  trace TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  start_ns INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  status TEXT NOT NULL,
  spans INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  workflow TEXT NOT NULL,
  session TEXT NOT NULL,
  user TEXT NOT NULL,
  release TEXT NOT NULL,
  usage TEXT NOT NULL,
  cost_msat INTEGER,
  cost_micros INTEGER,
  currency TEXT NOT NULL,
  cost_known INTEGER NOT NULL,
  error TEXT NOT NULL,
  labels TEXT NOT NULL,
  pinned INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX digests_by_start ON digests (start_ns, trace);
CREATE INDEX digests_by_duration ON digests (duration_ns, trace);
CREATE INDEX digests_by_cost ON digests (cost_msat, trace);

-- Words of a trace: names, errors, short texts of attributes. The rowid is that of the digest.
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'porter unicode61');

-- Model calls, one row each.
CREATE TABLE calls (
  trace TEXT NOT NULL,
  span TEXT NOT NULL,
  start_ns INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  input INTEGER, cache_read INTEGER, cache_write INTEGER, cache_write_1h INTEGER,
  output INTEGER, reasoning INTEGER,
  audio_input INTEGER, audio_output INTEGER, image_input INTEGER,
  told_msat INTEGER, priced_msat INTEGER,
  told_micros INTEGER, priced_micros INTEGER, currency TEXT NOT NULL,
  ttft_ns INTEGER,
  PRIMARY KEY (trace, span)
) WITHOUT ROWID;
CREATE INDEX calls_by_start ON calls (start_ns);

-- Errors, one row for each span that failed.
CREATE TABLE sightings (
  trace TEXT NOT NULL,
  span TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  class TEXT NOT NULL,
  kind TEXT NOT NULL,
  message TEXT NOT NULL,
  origin INTEGER NOT NULL,
  swallowed INTEGER NOT NULL,
  at_ns INTEGER NOT NULL,
  PRIMARY KEY (trace, span, fingerprint)
) WITHOUT ROWID;
CREATE INDEX sightings_by_fingerprint ON sightings (fingerprint);

-- Names of spans, by the number that packs hold; one that is no valid text is a blob.
CREATE TABLE names (number INTEGER PRIMARY KEY, name NOT NULL UNIQUE);

-- Which traces have spans of a name, and the longest of them.
CREATE TABLE name_uses (
  name INTEGER NOT NULL,
  trace TEXT NOT NULL,
  longest_ns INTEGER NOT NULL,
  PRIMARY KEY (name, trace)
) WITHOUT ROWID;
CREATE INDEX name_uses_by_trace ON name_uses (trace);
CREATE INDEX name_uses_by_length ON name_uses (name, longest_ns);

-- Durations of all packed spans by name, hour of the epoch and release (store/sketch.py).
CREATE TABLE sketches (
  name INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  release TEXT NOT NULL,
  count INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  total_ns INTEGER NOT NULL,
  buckets BLOB NOT NULL,
  PRIMARY KEY (name, hour, release)
) WITHOUT ROWID;
