-- What was judged of models. Times are milliseconds of the epoch. No text of a request is in here:
-- vectors are counts of hashed words.

-- How often both models of a comparison answered a request well; see `floor.Pairs`.
CREATE TABLE pairs (
    candidate TEXT NOT NULL,
    reference TEXT NOT NULL,
    segment TEXT NOT NULL,
    both INTEGER NOT NULL,
    candidate_only INTEGER NOT NULL,
    reference_only INTEGER NOT NULL,
    neither INTEGER NOT NULL,
    PRIMARY KEY (candidate, reference, segment)
) STRICT, WITHOUT ROWID;

-- The newest requests that both models answered, so that a later word of a user can correct them.
-- `served` is the model whose answer the user saw, `segments` a JSON list.
CREATE TABLE checks (
    request BLOB PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    candidate TEXT NOT NULL,
    reference TEXT NOT NULL,
    served TEXT NOT NULL,
    segments TEXT NOT NULL,
    candidate_good INTEGER NOT NULL,
    reference_good INTEGER NOT NULL,
    why TEXT NOT NULL
) STRICT;

-- Where texts lie.
CREATE TABLE texts (
    key TEXT PRIMARY KEY,
    vector TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest judged answers. Numbers are never used twice, so that others know what they have read.
CREATE TABLE outcomes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    key TEXT NOT NULL,
    model TEXT NOT NULL,
    good INTEGER NOT NULL,
    cost_msat INTEGER
) STRICT;

-- The newest requests that a user may still say something about, and who answered them.
CREATE TABLE asked (
    number INTEGER PRIMARY KEY,
    request BLOB NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    key TEXT NOT NULL,
    model TEXT NOT NULL
) STRICT;
