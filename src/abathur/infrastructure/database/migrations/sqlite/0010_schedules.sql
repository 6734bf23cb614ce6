-- Tasks that come again: what to submit, and when next.
CREATE TABLE schedules (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  cron TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  template TEXT NOT NULL CHECK (json_valid(template)),
  next_at TEXT,
  last_at TEXT,
  last_task_id TEXT REFERENCES tasks (id) ON DELETE SET NULL,
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL
);

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_by_last_task ON schedules (last_task_id) WHERE last_task_id IS NOT NULL;
