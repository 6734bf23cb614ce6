-- Each run of a named gate on a tree, so that a verdict can be told from what it was about. A run on
-- the tree of several landings has a row for each of them.
CREATE TABLE gate_runs (
  id INTEGER PRIMARY KEY,
  landing_id TEXT NOT NULL REFERENCES landings (id) ON DELETE CASCADE,
  gate TEXT NOT NULL,
  command TEXT NOT NULL,
  tree TEXT NOT NULL,
  batch_size INTEGER NOT NULL CHECK (batch_size > 0),
  started_at TEXT NOT NULL,
  ended_at TEXT NOT NULL,
  exit_code INTEGER,
  verdict TEXT NOT NULL CHECK (verdict IN ('passed', 'failed', 'flaky', 'timed_out')),
  log_path TEXT
);

CREATE INDEX gate_runs_by_landing ON gate_runs (landing_id, id);
CREATE INDEX gate_runs_passed ON gate_runs (tree, gate) WHERE verdict IN ('passed', 'flaky');
CREATE INDEX gate_runs_flaky ON gate_runs (ended_at) WHERE verdict = 'flaky';

ALTER TABLE landings ADD COLUMN strategy TEXT NOT NULL DEFAULT 'merge'
  CHECK (strategy IN ('merge', 'squash', 'rebase'));
ALTER TABLE landings ADD COLUMN onto TEXT;
ALTER TABLE landings ADD COLUMN batch TEXT;
