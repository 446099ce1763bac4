-- The audit becomes a chain (docs/sync.md, "Audit"): each row binds all before it. Rows of builds before are taken over in
-- their order and get their links from the program, in the same transaction.
DROP VIEW audited;
ALTER TABLE audit RENAME TO audit_before;

-- Where a change was stored, it says of which record. `detail` is empty where there is nothing more to say, else JSON; what
-- a row may carry beyond the ordinary (`subject`, `reason`, `fields`) stands in it, so that ordinary rows do not pay for it.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who INTEGER REFERENCES who (number),
    action TEXT NOT NULL,
    object BLOB,
    change INTEGER,
    detail TEXT NOT NULL,
    chain BLOB NOT NULL
) STRICT;

-- Who has seen or changed a record: acts on it, acts about it, and through its changes. The numbers of changes go up with
-- `seq`, so every 64th of them is enough to find the others.
CREATE INDEX audit_object ON audit (object) WHERE object IS NOT NULL;
CREATE INDEX audit_subject ON audit (detail ->> 'subject')
WHERE detail <> '' AND json_valid(detail) AND detail ->> 'subject' IS NOT NULL;
CREATE INDEX audit_change ON audit (change) WHERE change % 64 = 0;

-- A handful of rows that every seal asks for.
CREATE INDEX audit_renewed ON audit (action) WHERE action = 'epoch_renewed';

-- Where rotations cut the audit: the rows up to `seq` lie in archives. Signed, so that nobody else can cut.
CREATE TABLE audit_cut (
    seq INTEGER PRIMARY KEY,
    chain BLOB NOT NULL,
    change INTEGER NOT NULL,
    at INTEGER NOT NULL,
    renewals TEXT NOT NULL,
    key BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- What rotated rows say of imports: whether one has ended is known from the audit, and asked for ever.
CREATE TABLE import_said (
    seq INTEGER PRIMARY KEY,
    batch BLOB NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

-- The audit for people, with names and changes.
CREATE VIEW audited AS
SELECT a.seq, a.at, w.user, w.device, a.action, coalesce(a.object, c.record) AS object, c.hash AS change,
CASE a.detail WHEN '' THEN '{}' ELSE a.detail END AS detail, w.grant_id
FROM audit a LEFT JOIN who w ON w.number = a.who LEFT JOIN change c ON c.number = a.change;
