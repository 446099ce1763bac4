-- The phone's database; what the tables are for and why they look so is in NOTES.md.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bucket (
    name BLOB PRIMARY KEY,
    number INTEGER NOT NULL,
    state INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    log_seq INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    durable_seq INTEGER NOT NULL,
    closing_until_ms INTEGER,
    load INTEGER NOT NULL,
    unchecked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bucket_pack (
    bucket BLOB NOT NULL,
    hash BLOB NOT NULL,
    place INTEGER NOT NULL,
    size INTEGER NOT NULL,
    records INTEGER NOT NULL,
    done INTEGER NOT NULL,
    PRIMARY KEY (bucket, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE settled (
    record BLOB PRIMARY KEY,
    collection TEXT NOT NULL,
    generation INTEGER NOT NULL,
    fmt INTEGER NOT NULL,
    home BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    heads BLOB NOT NULL,
    shown BLOB NOT NULL,
    changes BLOB NOT NULL
) STRICT;

CREATE TABLE settled_bucket (
    bucket BLOB NOT NULL,
    record BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    load INTEGER NOT NULL,
    PRIMARY KEY (bucket, record)
) STRICT, WITHOUT ROWID;

CREATE INDEX settled_bucket_record ON settled_bucket (record);

CREATE TABLE pending (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    record BLOB NOT NULL,
    collection TEXT NOT NULL,
    create_home BLOB,
    generation INTEGER NOT NULL,
    hash BLOB NOT NULL,
    actor BLOB NOT NULL,
    actor_seq INTEGER NOT NULL,
    change BLOB NOT NULL,
    intent BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    monotonic_ms INTEGER NOT NULL,
    visit BLOB,
    edits BLOB NOT NULL,
    grant_id BLOB NOT NULL,
    catalog_version INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    receipted INTEGER NOT NULL,
    stored_hash BLOB,
    via_bucket BLOB,
    via_epoch INTEGER,
    via_seq INTEGER,
    ticket BLOB
) STRICT;

CREATE INDEX pending_record ON pending (record, place);
CREATE INDEX pending_state ON pending (state, place);
CREATE INDEX pending_via ON pending (via_bucket, via_epoch, via_seq) WHERE state = 1;

CREATE TABLE kept (
    place INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    collection TEXT NOT NULL,
    create_home BLOB,
    generation INTEGER NOT NULL,
    hash BLOB NOT NULL,
    actor BLOB NOT NULL,
    actor_seq INTEGER NOT NULL,
    change BLOB NOT NULL,
    intent BLOB NOT NULL,
    kind INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    monotonic_ms INTEGER NOT NULL,
    visit BLOB,
    edits BLOB NOT NULL,
    grant_id BLOB NOT NULL,
    catalog_version INTEGER NOT NULL,
    via_bucket BLOB,
    via_epoch INTEGER,
    via_seq INTEGER,
    kept_since_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX kept_record ON kept (record);

CREATE TABLE lost_change (
    record BLOB NOT NULL,
    hash BLOB NOT NULL,
    deps BLOB NOT NULL,
    PRIMARY KEY (record, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch (
    id BLOB PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE batch_item (
    batch BLOB NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    place INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (batch, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    id BLOB PRIMARY KEY,
    record BLOB NOT NULL,
    collection TEXT NOT NULL,
    create_home BLOB,
    intent BLOB NOT NULL,
    kind INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    visit BLOB,
    edits BLOB NOT NULL,
    why INTEGER NOT NULL,
    ticket BLOB,
    reason BLOB NOT NULL,
    since_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX quarantine_record ON quarantine (record);
CREATE INDEX quarantine_intent ON quarantine (intent);

CREATE TABLE receipt_sheet (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE receipt (
    record BLOB NOT NULL,
    hash BLOB NOT NULL,
    sheet INTEGER NOT NULL REFERENCES receipt_sheet (id),
    position INTEGER NOT NULL,
    intent BLOB,
    PRIMARY KEY (record, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE draft (
    id BLOB PRIMARY KEY,
    collection TEXT NOT NULL,
    record BLOB,
    edits BLOB NOT NULL,
    catalog_version INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE view (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL UNIQUE,
    collection TEXT NOT NULL,
    title TEXT NOT NULL,
    short TEXT NOT NULL,
    sort TEXT NOT NULL,
    parent BLOB,
    ended INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    conflicts INTEGER NOT NULL,
    review INTEGER NOT NULL,
    shown BLOB
) STRICT;

CREATE INDEX view_list ON view (collection, hidden, sort, record);
CREATE INDEX view_parent ON view (parent, collection, sort, record) WHERE parent IS NOT NULL;

CREATE TABLE link (
    source BLOB NOT NULL,
    key TEXT NOT NULL,
    target BLOB NOT NULL,
    PRIMARY KEY (source, key, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX link_target ON link (target, key, source);

CREATE TABLE wanted (
    record BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE search USING fts5 (
    text,
    content = '',
    contentless_delete = 1,
    detail = none,
    tokenize = 'ascii',
    prefix = '2 5'
);
