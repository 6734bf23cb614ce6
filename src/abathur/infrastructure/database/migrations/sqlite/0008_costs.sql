-- What attempts cost: reserved when they start, settled when they end. NULL is unknown, not zero.
CREATE TABLE costs (
  task_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  target TEXT NOT NULL DEFAULT '',
  agent_type TEXT NOT NULL,
  day TEXT NOT NULL,
  reserved_usd REAL NOT NULL CHECK (reserved_usd >= 0),
  cost_usd REAL CHECK (cost_usd >= 0),
  estimated_usd REAL CHECK (estimated_usd >= 0),
  estimate_rule TEXT,
  settled_at TEXT,
  PRIMARY KEY (task_id, attempt),
  FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX costs_by_day ON costs (day);

-- The windows in which providers count, and until when one is used up.
CREATE TABLE pools (
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  limit_window TEXT NOT NULL,
  exhausted_until TEXT,
  used_share REAL,
  source TEXT NOT NULL,
  observed_at TEXT NOT NULL,
  PRIMARY KEY (provider, account, limit_window)
) WITHOUT ROWID;
