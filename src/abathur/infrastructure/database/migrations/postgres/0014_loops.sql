-- Tasks that are refined over several iterations, or made by several candidates.
CREATE TABLE loops (
  task_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
  spec TEXT COLLATE "C" NOT NULL CHECK (spec::json IS NOT NULL),
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  stop_as TEXT COLLATE "C" CHECK (stop_as IN ('ask', 'land', 'fail')),
  stopped_by TEXT COLLATE "C"
);

-- One row an iteration whose work is done. Without `measured_at` it is a checkpoint: whoever goes on
-- measures that work and doesn't run an agent again.
CREATE TABLE iterations (
  task_id TEXT COLLATE "C" NOT NULL REFERENCES loops (task_id) ON DELETE CASCADE,
  number BIGINT NOT NULL CHECK (number > 0),
  attempt BIGINT NOT NULL,
  runtime TEXT COLLATE "C",
  model TEXT COLLATE "C",
  strategy TEXT COLLATE "C",
  pattern TEXT COLLATE "C",
  target TEXT COLLATE "C" NOT NULL,
  base_commit TEXT COLLATE "C" NOT NULL,
  work_commit TEXT COLLATE "C" NOT NULL,
  tree TEXT COLLATE "C" NOT NULL,
  started_at TEXT COLLATE "C" NOT NULL,
  measured_at TEXT COLLATE "C",
  measurement TEXT COLLATE "C",
  reading TEXT COLLATE "C",
  verdict TEXT COLLATE "C",
  PRIMARY KEY (task_id, number)
);

-- What helped agents of a type against a pattern. The rows stay when their tasks are pruned.
CREATE TABLE strategy_evidence (
  agent_type TEXT COLLATE "C" NOT NULL,
  pattern TEXT COLLATE "C" NOT NULL,
  strategy TEXT COLLATE "C" NOT NULL,
  runs BIGINT NOT NULL DEFAULT 0 CHECK (runs >= 0),
  improved BIGINT NOT NULL DEFAULT 0 CHECK (improved BETWEEN 0 AND runs),
  PRIMARY KEY (agent_type, pattern, strategy)
);
