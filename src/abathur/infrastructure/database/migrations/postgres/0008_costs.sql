-- What attempts cost: one row an attempt, reserved when a budget asks for it, settled when the
-- attempt ends. NULL is unknown, not zero. The rows stay when their tasks are pruned.
CREATE TABLE costs (
  task_id TEXT COLLATE "C" NOT NULL,
  attempt BIGINT NOT NULL,
  target TEXT COLLATE "C" NOT NULL DEFAULT '',
  agent_type TEXT COLLATE "C" NOT NULL,
  model TEXT COLLATE "C",
  day TEXT COLLATE "C" NOT NULL,
  input_tokens BIGINT,
  output_tokens BIGINT,
  cache_read_tokens BIGINT,
  cache_write_tokens BIGINT,
  reserved_usd DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),
  cost_usd DOUBLE PRECISION CHECK (cost_usd >= 0),
  estimated_usd DOUBLE PRECISION CHECK (estimated_usd >= 0),
  estimate_rule TEXT COLLATE "C",
  settled_at TEXT COLLATE "C",
  PRIMARY KEY (task_id, attempt),
  CHECK (estimated_usd IS NULL OR estimate_rule IS NOT NULL)
);

CREATE INDEX costs_by_day ON costs (day);
CREATE INDEX costs_by_target ON costs (target);

-- How much may be spent: on a task, on a target, or on a day, whose date is its name then. What
-- a person was asked for is granted when the hold that asks is taken away.
CREATE TABLE budgets (
  scope TEXT COLLATE "C" NOT NULL CHECK (scope IN ('task', 'target', 'day')),
  name TEXT COLLATE "C" NOT NULL,
  limit_usd DOUBLE PRECISION CHECK (limit_usd >= 0),
  granted_usd DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (granted_usd >= 0),
  asked_usd DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (asked_usd >= 0),
  needed_usd DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (needed_usd >= 0),
  PRIMARY KEY (scope, name)
);

-- The windows in which providers count, and until when one is used up.
CREATE TABLE pools (
  provider TEXT COLLATE "C" NOT NULL,
  account TEXT COLLATE "C" NOT NULL,
  limit_window TEXT COLLATE "C" NOT NULL,
  exhausted_until TEXT COLLATE "C",
  used_share DOUBLE PRECISION,
  refusals BIGINT NOT NULL DEFAULT 0 CHECK (refusals >= 0),
  probe TEXT COLLATE "C",
  source TEXT COLLATE "C" NOT NULL CHECK (source IN ('event', 'error', 'text')),
  observed_at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (provider, account, limit_window)
);

-- What kind of failure ended an attempt; NULL for a success, and where nothing is known.
ALTER TABLE attempts ADD COLUMN failure_class TEXT COLLATE "C";
