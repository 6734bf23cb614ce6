-- What attempts cost: one row an attempt, reserved when a budget asks for it, settled when the
-- attempt ends. NULL is unknown, not zero. The rows stay when their tasks are pruned.
CREATE TABLE costs (
  task_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  target TEXT NOT NULL DEFAULT '',
  agent_type TEXT NOT NULL,
  model TEXT,
  day TEXT NOT NULL,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cache_read_tokens INTEGER,
  cache_write_tokens INTEGER,
  reserved_usd REAL NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),
  cost_usd REAL CHECK (cost_usd >= 0),
  estimated_usd REAL CHECK (estimated_usd >= 0),
  estimate_rule TEXT,
  settled_at TEXT,
  PRIMARY KEY (task_id, attempt),
  CHECK (estimated_usd IS NULL OR estimate_rule IS NOT NULL)
) WITHOUT ROWID;

CREATE INDEX costs_by_day ON costs (day);
CREATE INDEX costs_by_target ON costs (target);

-- How much may be spent: on a task, on a target, or on a day, whose date is its name then. What
-- a person was asked for is granted when the hold that asks is taken away.
CREATE TABLE budgets (
  scope TEXT NOT NULL CHECK (scope IN ('task', 'target', 'day')),
  name TEXT NOT NULL,
  limit_usd REAL CHECK (limit_usd >= 0),
  granted_usd REAL NOT NULL DEFAULT 0 CHECK (granted_usd >= 0),
  asked_usd REAL NOT NULL DEFAULT 0 CHECK (asked_usd >= 0),
  needed_usd REAL NOT NULL DEFAULT 0 CHECK (needed_usd >= 0),
  PRIMARY KEY (scope, name)
) WITHOUT ROWID;

-- The windows in which providers count, and until when one is used up.
CREATE TABLE pools (
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  limit_window TEXT NOT NULL,
  exhausted_until TEXT,
  used_share REAL,
  refusals INTEGER NOT NULL DEFAULT 0 CHECK (refusals >= 0),
  probe TEXT,
  source TEXT NOT NULL CHECK (source IN ('event', 'error', 'text')),
  observed_at TEXT NOT NULL,
  PRIMARY KEY (provider, account, limit_window)
) WITHOUT ROWID;

-- What kind of failure ended an attempt; NULL for a success, and where nothing is known.
ALTER TABLE attempts ADD COLUMN failure_class TEXT;
