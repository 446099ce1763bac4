-- What a supervisor is asked to look at, at most one open row of each record, and who closed a ticket.

CREATE TABLE review (
    id BLOB PRIMARY KEY,
    record BLOB NOT NULL,
    -- Why, as a JSON list of {on, keys}.
    occasions TEXT NOT NULL,
    opened INTEGER NOT NULL,
    -- When somebody last did something that matters here.
    moved INTEGER NOT NULL,
    -- 1 waits, 2 returned, 3 answered, 4 approved
    state INTEGER NOT NULL,
    due TEXT,
    -- Who decided last.
    user BLOB,
    closed INTEGER
) STRICT;
CREATE UNIQUE INDEX review_open ON review (record) WHERE closed IS NULL;
CREATE INDEX review_waiting ON review (opened, id) WHERE closed IS NULL;

ALTER TABLE ticket ADD COLUMN closed_by BLOB;
CREATE INDEX ticket_open ON ticket (opened, id) WHERE closed IS NULL;
