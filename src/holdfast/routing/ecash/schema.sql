-- The schema of the wallet. Amounts of coins are sats, those of entries msat, times milliseconds of the epoch.

-- Everything that moves money, each once. `phase` says how far it is: see holdfast.routing.ecash.records.
-- `parent` is the operation whose token is taken back.
CREATE TABLE operations (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    phase TEXT NOT NULL,
    mint TEXT NOT NULL,
    amount INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    node TEXT NOT NULL DEFAULT '',
    quote TEXT NOT NULL DEFAULT '',
    invoice TEXT NOT NULL DEFAULT '',
    token TEXT NOT NULL DEFAULT '',
    parent INTEGER REFERENCES operations (id),
    message TEXT NOT NULL DEFAULT ''
) STRICT;

-- What is not finished is looked for at each start.
CREATE INDEX open_operations ON operations (phase) WHERE ended_ms IS NULL;

-- Coins, also those that are spent: a secret is never used twice.
CREATE TABLE coins (
    secret TEXT PRIMARY KEY,
    mint TEXT NOT NULL,
    keyset TEXT NOT NULL,
    amount INTEGER NOT NULL,
    signature BLOB NOT NULL,
    state TEXT NOT NULL,
    operation INTEGER NOT NULL REFERENCES operations (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX coins_by_state ON coins (mint, state);
CREATE INDEX coins_by_operation ON coins (operation, state);

-- Coins to be. They are written before the mint hears of them, and stay until it has signed them.
CREATE TABLE blanks (
    operation INTEGER NOT NULL REFERENCES operations (id),
    place INTEGER NOT NULL,
    keyset TEXT NOT NULL,
    amount INTEGER NOT NULL,
    secret TEXT NOT NULL UNIQUE,
    factor BLOB NOT NULL,
    blinded BLOB NOT NULL,
    given INTEGER NOT NULL,
    PRIMARY KEY (operation, place)
) STRICT, WITHOUT ROWID;

-- The accounts, in double entry: what an operation adds to one it takes from others.
CREATE TABLE entries (
    number INTEGER PRIMARY KEY,
    operation INTEGER REFERENCES operations (id),
    at_ms INTEGER NOT NULL,
    account TEXT NOT NULL,
    msat INTEGER NOT NULL
) STRICT;

CREATE INDEX entries_by_account ON entries (account);

-- What is known of nodes that are paid: the key is a secret.
CREATE TABLE nodes (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    key TEXT NOT NULL DEFAULT '',
    mint TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- Nodes that others told of. One that a person accepted is a provider.
CREATE TABLE found (
    url TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    mints TEXT NOT NULL,
    author TEXT NOT NULL,
    source TEXT NOT NULL,
    version TEXT NOT NULL,
    said_at_ms INTEGER NOT NULL,
    accepted TEXT NOT NULL DEFAULT '',
    topup_sat INTEGER NOT NULL DEFAULT 0,
    limit_sat INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
