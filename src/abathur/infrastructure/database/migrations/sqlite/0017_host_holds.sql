-- A host too can be held, as when its disk is full.
CREATE TABLE holds_with_hosts (
  id TEXT PRIMARY KEY,
  scope TEXT NOT NULL CHECK (scope IN ('everything', 'target', 'task', 'agent_type', 'host')),
  name TEXT NOT NULL DEFAULT '',
  cause TEXT NOT NULL CHECK (cause IN ('person', 'budget', 'disk', 'authentication')),
  reason TEXT NOT NULL DEFAULT '',
  hold_until TEXT,
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (scope, name, cause)
);

INSERT INTO holds_with_hosts (
  id, scope, name, cause, reason, hold_until, created_by, created_at
) SELECT id, scope, name, cause, reason, hold_until, created_by, created_at FROM holds;

DROP TABLE holds;

ALTER TABLE holds_with_hosts RENAME TO holds;
