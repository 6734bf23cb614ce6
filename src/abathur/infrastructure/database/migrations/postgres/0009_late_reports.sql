-- Reports of runs whose worker had lost its lease: evidence, never applied.
CREATE TABLE late_reports (
  task_id TEXT COLLATE "C" NOT NULL,
  attempt BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  worker_id TEXT COLLATE "C" NOT NULL,
  received_at TEXT COLLATE "C" NOT NULL,
  report TEXT COLLATE "C" NOT NULL CHECK (report::json IS NOT NULL),
  PRIMARY KEY (task_id, attempt, fence),
  FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE
);
