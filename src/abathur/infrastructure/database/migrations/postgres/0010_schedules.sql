-- Tasks that come again: what to submit, and when next.
CREATE TABLE schedules (
  id TEXT COLLATE "C" PRIMARY KEY,
  name TEXT COLLATE "C" NOT NULL UNIQUE,
  cron TEXT COLLATE "C" NOT NULL,
  time_zone TEXT COLLATE "C" NOT NULL,
  template TEXT COLLATE "C" NOT NULL CHECK (template::json IS NOT NULL),
  next_at TEXT COLLATE "C",
  last_at TEXT COLLATE "C",
  last_task_id TEXT COLLATE "C" REFERENCES tasks (id) ON DELETE SET NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL
);

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_by_last_task ON schedules (last_task_id) WHERE last_task_id IS NOT NULL;
