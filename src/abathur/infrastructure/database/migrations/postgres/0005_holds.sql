-- What keeps ready tasks from being claimed: a person's pause, or a reason that the swarm found.
CREATE TABLE holds (
  id TEXT COLLATE "C" PRIMARY KEY,
  scope TEXT COLLATE "C" NOT NULL CHECK (scope IN ('everything', 'target', 'task', 'agent_type')),
  name TEXT COLLATE "C" NOT NULL DEFAULT '',
  cause TEXT COLLATE "C" NOT NULL CHECK (cause IN ('person', 'budget', 'disk', 'authentication')),
  reason TEXT COLLATE "C" NOT NULL DEFAULT '',
  hold_until TEXT COLLATE "C",
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (scope, name, cause)
);

-- The paths that a task says it will touch, as patterns relative to the root of the repository.
-- With `may_overlap` it doesn't wait for others that touch the same.
CREATE TABLE task_paths (
  task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  pattern TEXT COLLATE "C" NOT NULL,
  may_overlap INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (task_id, pattern)
);

-- Paths that a task has changed while another one, still under way, declared or changed them too.
CREATE TABLE path_overlaps (
  task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  other_task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  paths TEXT COLLATE "C" NOT NULL,
  found_at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (task_id, attempt, other_task_id)
);

CREATE INDEX path_overlaps_by_other ON path_overlaps (other_task_id);

-- Agents that are at work, or whose end nobody wrote down.
CREATE INDEX agents_unended ON agents (task_id) WHERE terminated_at IS NULL;
