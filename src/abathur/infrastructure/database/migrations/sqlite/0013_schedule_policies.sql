-- What becomes of due times that were missed, or that come while the last task isn't finished.
ALTER TABLE schedules ADD COLUMN missed TEXT NOT NULL DEFAULT 'skip'
  CHECK (missed IN ('skip', 'all'));
ALTER TABLE schedules ADD COLUMN overlap TEXT NOT NULL DEFAULT 'skip'
  CHECK (overlap IN ('skip', 'allow'));
ALTER TABLE schedules ADD COLUMN paused_at TEXT;
