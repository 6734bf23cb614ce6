-- What keeps ready tasks from being claimed: a person's pause, or a reason that the swarm found.
CREATE TABLE holds (
  id TEXT PRIMARY KEY,
  scope TEXT NOT NULL CHECK (scope IN ('everything', 'target', 'task', 'agent_type')),
  name TEXT NOT NULL DEFAULT '',
  cause TEXT NOT NULL CHECK (cause IN ('person', 'budget', 'disk', 'authentication')),
  reason TEXT NOT NULL DEFAULT '',
  hold_until TEXT,
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (scope, name, cause)
);

-- The paths that a task says it will touch, as patterns relative to the root of the repository.
CREATE TABLE task_paths (
  task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  pattern TEXT NOT NULL,
  PRIMARY KEY (task_id, pattern)
) WITHOUT ROWID;
