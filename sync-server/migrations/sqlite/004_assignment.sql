-- An assignment is at a grid or at a unit of the organisation, and may cover for somebody else.

ALTER TABLE assignment RENAME COLUMN grid TO post;
ALTER TABLE assignment RENAME COLUMN kind TO duty;
-- 1 a grid, 2 a unit
ALTER TABLE assignment ADD COLUMN post_kind INTEGER NOT NULL DEFAULT 1;
CREATE INDEX assignment_post ON assignment (post, valid_from);
