-- Files (docs/sync.md, "Files"). Their bytes lie in the object store under their BLAKE3 hash; here is what there is, who
-- names it and who has brought it. Nothing of an upload is kept in a process.

-- A file that is stored whole and whose bytes have been hashed. One that is `dropped` is being deleted and does not count.
CREATE TABLE blob (
    hash BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    unreferenced_since INTEGER,
    dropped INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_unreferenced ON blob (unreferenced_since) WHERE unreferenced_since IS NOT NULL;

-- A key of a record that names a file, until it is taken back. `ticket` is the item in quarantine that does, empty for
-- an accepted one; `proven` says that its phone had the bytes, so that the name came from the file.
CREATE TABLE blob_ref (
    hash BLOB NOT NULL,
    record BLOB NOT NULL,
    key TEXT NOT NULL,
    ticket BLOB NOT NULL,
    size INTEGER,
    device BLOB,
    user BLOB,
    proven INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    PRIMARY KEY (hash, record, key, ticket)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_ref_key ON blob_ref (record, key);

-- An upload that is not complete, and the pieces of it that are stored.
CREATE TABLE upload (
    id BLOB PRIMARY KEY,
    device BLOB NOT NULL,
    hash BLOB NOT NULL,
    length INTEGER NOT NULL,
    arrived INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    UNIQUE (device, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_hash ON upload (hash);

CREATE TABLE upload_part (
    upload BLOB NOT NULL,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (upload, start)
) STRICT, WITHOUT ROWID;

-- Which phone has brought all bytes of a file itself.
CREATE TABLE holder (
    device BLOB NOT NULL,
    hash BLOB NOT NULL,
    size INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (device, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX holder_hash ON holder (hash);
