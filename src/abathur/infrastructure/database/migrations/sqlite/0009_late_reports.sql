-- Reports of runs whose worker had lost its lease: evidence, never applied.
CREATE TABLE late_reports (
  task_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  worker_id TEXT NOT NULL,
  received_at TEXT NOT NULL,
  report TEXT NOT NULL CHECK (json_valid(report)),
  PRIMARY KEY (task_id, attempt, fence),
  FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE
) WITHOUT ROWID;
