-- The tables that carry the truth (docs/sync.md, "Server tables"). Identifiers are 16 bytes, hashes 32, times
-- milliseconds since 1970 by the server's clock, unsigned 64-bit numbers the same bits as a signed one.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Organisation. Everything is dated: a row counts from valid_from until valid_to.

CREATE TABLE unit (
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    parent BLOB,
    code TEXT,
    name TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    succeeds BLOB,
    PRIMARY KEY (id, valid_from)
) STRICT, WITHOUT ROWID;

CREATE TABLE grid (
    id BLOB NOT NULL,
    unit BLOB NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    succeeds BLOB,
    PRIMARY KEY (id, valid_from)
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id BLOB PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    disabled INTEGER
) STRICT;

-- An assignment; its number is the grant that every pushed item names.
CREATE TABLE assignment (
    grant_id BLOB PRIMARY KEY,
    user BLOB NOT NULL,
    grid BLOB NOT NULL,
    role TEXT NOT NULL,
    kind TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER
) STRICT;
CREATE INDEX assignment_user ON assignment (user, valid_from);

-- One enrolment: one phone used by one user.
CREATE TABLE device (
    id BLOB PRIMARY KEY,
    user BLOB NOT NULL,
    key_id BLOB NOT NULL,
    public_key BLOB NOT NULL UNIQUE,
    app_version TEXT NOT NULL,
    enrolled INTEGER NOT NULL,
    revoked INTEGER,
    last_contact INTEGER NOT NULL,
    pending INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Who writes into documents: one actor per database file of a device, two of the server per epoch.
CREATE TABLE actor (
    id BLOB PRIMARY KEY,
    role INTEGER NOT NULL,
    device BLOB,
    nonce BLOB,
    since INTEGER NOT NULL
) STRICT;
CREATE INDEX actor_device ON actor (device);

CREATE TABLE enrol_code (
    hash BLOB PRIMARY KEY,
    user BLOB NOT NULL,
    made INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    public_key BLOB,
    device BLOB
) STRICT;

CREATE TABLE challenge (
    challenge BLOB PRIMARY KEY,
    device BLOB NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
    hash BLOB PRIMARY KEY,
    device BLOB NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX token_device ON token (device);

-- Records. `change` is the truth and never folded; `record` is what it adds up to; `log` orders distribution.

CREATE TABLE bucket (
    number INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,
    head INTEGER NOT NULL DEFAULT 0,
    checksum INTEGER NOT NULL DEFAULT 0,
    chain INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0,
    durable_seq INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE record (
    id BLOB PRIMARY KEY,
    collection TEXT NOT NULL,
    generation INTEGER NOT NULL,
    fmt INTEGER NOT NULL,
    heads BLOB NOT NULL,
    shown BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    home INTEGER NOT NULL REFERENCES bucket (number)
) STRICT;
CREATE INDEX record_collection ON record (collection, id);

-- Which buckets distribute a record, and which of them is its home. Rows are closed, never deleted.
CREATE TABLE record_bucket (
    record BLOB NOT NULL,
    bucket INTEGER NOT NULL,
    home INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    PRIMARY KEY (record, bucket, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_bucket_now ON record_bucket (bucket, record) WHERE until IS NULL;

-- Names that stand in very many rows, by small numbers.
CREATE TABLE writer (
    number INTEGER PRIMARY KEY,
    actor BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE who (
    number INTEGER PRIMARY KEY,
    user BLOB,
    device BLOB,
    grant_id BLOB,
    UNIQUE (user, device, grant_id)
) STRICT;

-- What a change was made on stands in its bytes. The hash covers writer and count, so it is unique in the record too.
-- Rows lie in the order they came: ordered by record, pages would split and stay half empty.
CREATE TABLE change (
    number INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    generation INTEGER NOT NULL,
    writer INTEGER NOT NULL REFERENCES writer (number),
    actor_seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    fmt INTEGER NOT NULL,
    start_op INTEGER NOT NULL,
    max_op INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    role INTEGER NOT NULL,
    who INTEGER REFERENCES who (number),
    intent BLOB NOT NULL,
    intent_kind INTEGER NOT NULL,
    visit BLOB,
    catalog_version INTEGER NOT NULL,
    recv_time INTEGER NOT NULL,
    device_time INTEGER NOT NULL,
    corrected_time INTEGER NOT NULL,
    batch INTEGER REFERENCES batch (number),
    bucket INTEGER NOT NULL,
    log_seq INTEGER NOT NULL,
    UNIQUE (record, generation, writer, actor_seq),
    UNIQUE (record, intent)
) STRICT;

-- A row of kind CHANGE names its change by writer and count, a PUT the head of the record by its hash.
CREATE TABLE log (
    bucket INTEGER NOT NULL,
    log_seq INTEGER NOT NULL,
    record BLOB NOT NULL,
    generation INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    writer INTEGER,
    actor_seq INTEGER,
    change_hash BLOB,
    moved_to INTEGER,
    checksum_after INTEGER NOT NULL,
    -- A running hash over this row and all before it: whoever alters or moves a row breaks it there.
    chain INTEGER NOT NULL,
    PRIMARY KEY (bucket, log_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_record ON log (bucket, record, log_seq);

-- What a push was signed over, kept as proof of who sent it.
CREATE TABLE batch (
    number INTEGER PRIMARY KEY,
    device BLOB NOT NULL,
    id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    recv_time INTEGER NOT NULL,
    digest BLOB NOT NULL,
    signature BLOB NOT NULL,
    UNIQUE (device, id, digest)
) STRICT;

-- Kept and not applied. It answers for its (record, generation, hash) for ever.
CREATE TABLE quarantine (
    ticket BLOB PRIMARY KEY,
    record BLOB NOT NULL,
    generation INTEGER NOT NULL,
    hash BLOB NOT NULL,
    intent BLOB NOT NULL,
    device BLOB NOT NULL,
    user BLOB NOT NULL,
    item BLOB NOT NULL,
    actor BLOB,
    reason BLOB NOT NULL,
    blocked_by BLOB,
    recv_time INTEGER NOT NULL,
    closed INTEGER,
    UNIQUE (record, generation, hash, device)
) STRICT;

-- What waits for a person: conflicts, ends against edits, confirmations of what has changed.
CREATE TABLE ticket (
    id BLOB PRIMARY KEY,
    record BLOB NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail BLOB NOT NULL,
    opened INTEGER NOT NULL,
    closed INTEGER
) STRICT;
CREATE INDEX ticket_record ON ticket (record, key) WHERE closed IS NULL;

-- Where a change was stored, it says of which record and which keys.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who INTEGER REFERENCES who (number),
    action TEXT NOT NULL,
    object BLOB,
    change INTEGER,
    detail TEXT NOT NULL
) STRICT;

-- The audit for people, with names and changes.
CREATE VIEW audited AS
SELECT a.seq, a.at, w.user, w.device, a.action, coalesce(a.object, c.record) AS object, c.hash AS change, a.detail
FROM audit a LEFT JOIN who w ON w.number = a.who LEFT JOIN change c ON c.number = a.change;

-- Frozen pull pages for phones that start.
CREATE TABLE pack (
    hash BLOB PRIMARY KEY,
    bytes BLOB NOT NULL,
    records INTEGER NOT NULL,
    made INTEGER NOT NULL
) STRICT;

CREATE TABLE manifest (
    bucket INTEGER NOT NULL,
    place INTEGER NOT NULL,
    hash BLOB NOT NULL,
    log_seq INTEGER NOT NULL,
    PRIMARY KEY (bucket, place)
) STRICT, WITHOUT ROWID;
