-- The dated tree: how grids lie on the ground, and a number that every write to the tree raises.

-- A shape counts from valid_from until valid_to. It is a GeoJSON MultiPolygon in WGS-84, seven digits behind the point.
CREATE TABLE grid_shape (
    grid BLOB NOT NULL,
    kind TEXT,
    groups INTEGER,
    shape TEXT NOT NULL,
    area_m2 INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    PRIMARY KEY (grid, valid_from)
) STRICT, WITHOUT ROWID;

CREATE INDEX unit_code ON unit (code);
CREATE INDEX grid_code ON grid (code);

-- How many records of each collection a grid holds is counted from this alone.
CREATE INDEX record_home ON record (home, collection);

-- Whoever keeps the tree in memory compares this number; no writer can forget to raise it.
INSERT INTO meta (key, value) VALUES ('tree_version', 1);
CREATE TRIGGER unit_made AFTER INSERT ON unit BEGIN
    UPDATE meta SET value = value + 1 WHERE key = 'tree_version';
END;
CREATE TRIGGER unit_changed AFTER UPDATE ON unit BEGIN
    UPDATE meta SET value = value + 1 WHERE key = 'tree_version';
END;
CREATE TRIGGER unit_gone AFTER DELETE ON unit BEGIN
    UPDATE meta SET value = value + 1 WHERE key = 'tree_version';
END;
CREATE TRIGGER grid_made AFTER INSERT ON grid BEGIN
    UPDATE meta SET value = value + 1 WHERE key = 'tree_version';
END;
CREATE TRIGGER grid_changed AFTER UPDATE ON grid BEGIN
    UPDATE meta SET value = value + 1 WHERE key = 'tree_version';
END;
CREATE TRIGGER grid_gone AFTER DELETE ON grid BEGIN
    UPDATE meta SET value = value + 1 WHERE key = 'tree_version';
END;
