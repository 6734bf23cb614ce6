-- Each run of a named gate on a tree, so that a verdict can be told from what it was about.
CREATE TABLE gate_runs (
  id INTEGER PRIMARY KEY,
  landing_id TEXT NOT NULL REFERENCES landings (id) ON DELETE CASCADE,
  gate TEXT NOT NULL,
  tree TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT NOT NULL,
  exit_code INTEGER,
  verdict TEXT NOT NULL CHECK (verdict IN ('passed', 'failed', 'flaky', 'timed_out')),
  log_path TEXT
);

CREATE INDEX gate_runs_by_landing ON gate_runs (landing_id, id);
