-- Files that records name by their hash; what the tables are for and why they look so is in NOTES.md.

CREATE TABLE file (
    hash BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    key BLOB NOT NULL,
    size INTEGER NOT NULL,
    state INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    small INTEGER NOT NULL,
    code TEXT,
    since_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX file_state ON file (state, small DESC, attempts, since_ms);

CREATE TABLE file_ref (
    hash BLOB NOT NULL,
    record BLOB NOT NULL,
    key TEXT NOT NULL,
    own INTEGER NOT NULL,
    PRIMARY KEY (hash, record, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_ref_record ON file_ref (record, key);

CREATE TABLE file_part (
    hash BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
