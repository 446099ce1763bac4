-- People who sign in (docs/API.md, "Signing in"). Times are milliseconds since 1970.

-- A password as its Argon2id hash. One with `until` was made by IT: it is good until then and has to be changed.
-- `failures` are the wrong ones in a row; while locked, `probes` more were wrong.
CREATE TABLE password (
    user BLOB PRIMARY KEY,
    hash TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER,
    probes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- The secret of codes, sealed under the server's key. It counts when a code has confirmed it; codes up to `last_step` are
-- used up.
CREATE TABLE totp (
    user BLOB PRIMARY KEY,
    secret BLOB NOT NULL,
    made INTEGER NOT NULL,
    confirmed INTEGER,
    last_step INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Codes for who has lost the phone that shows the others, as BLAKE3 hashes.
CREATE TABLE recovery_code (
    user BLOB NOT NULL,
    hash BLOB NOT NULL,
    used INTEGER,
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

-- A session by the BLAKE3 hash of its token. `factor` is when a second factor was shown last.
CREATE TABLE session (
    id BLOB PRIMARY KEY,
    token BLOB NOT NULL UNIQUE,
    user BLOB NOT NULL,
    began INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    factor INTEGER,
    address TEXT,
    agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user, began, id);
