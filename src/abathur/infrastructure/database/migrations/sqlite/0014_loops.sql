-- Tasks that are refined over several iterations, or made by several candidates.
CREATE TABLE loops (
  task_id TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
  spec TEXT NOT NULL CHECK (json_valid(spec)),
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  stop_as TEXT CHECK (stop_as IN ('ask', 'land', 'fail')),
  stopped_by TEXT
);

-- One row an iteration whose work is done. Without `measured_at` it is a checkpoint: whoever goes on
-- measures that work and doesn't run an agent again.
CREATE TABLE iterations (
  task_id TEXT NOT NULL REFERENCES loops (task_id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number > 0),
  attempt INTEGER NOT NULL,
  runtime TEXT,
  model TEXT,
  strategy TEXT,
  pattern TEXT,
  target TEXT NOT NULL,
  base_commit TEXT NOT NULL,
  work_commit TEXT NOT NULL,
  tree TEXT NOT NULL,
  started_at TEXT NOT NULL,
  measured_at TEXT,
  measurement TEXT,
  reading TEXT,
  verdict TEXT,
  PRIMARY KEY (task_id, number)
) WITHOUT ROWID;

-- What helped agents of a type against a pattern. The rows stay when their tasks are pruned.
CREATE TABLE strategy_evidence (
  agent_type TEXT NOT NULL,
  pattern TEXT NOT NULL,
  strategy TEXT NOT NULL,
  runs INTEGER NOT NULL DEFAULT 0 CHECK (runs >= 0),
  improved INTEGER NOT NULL DEFAULT 0 CHECK (improved BETWEEN 0 AND runs),
  PRIMARY KEY (agent_type, pattern, strategy)
) WITHOUT ROWID;
