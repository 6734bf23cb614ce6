-- What attempts cost: reserved when they start, settled when they end. NULL is unknown, not zero.
CREATE TABLE costs (
  task_id TEXT COLLATE "C" NOT NULL,
  attempt BIGINT NOT NULL,
  target TEXT COLLATE "C" NOT NULL DEFAULT '',
  agent_type TEXT COLLATE "C" NOT NULL,
  day TEXT COLLATE "C" NOT NULL,
  reserved_usd DOUBLE PRECISION NOT NULL CHECK (reserved_usd >= 0),
  cost_usd DOUBLE PRECISION CHECK (cost_usd >= 0),
  estimated_usd DOUBLE PRECISION CHECK (estimated_usd >= 0),
  estimate_rule TEXT COLLATE "C",
  settled_at TEXT COLLATE "C",
  PRIMARY KEY (task_id, attempt),
  FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE
);

CREATE INDEX costs_by_day ON costs (day);

-- The windows in which providers count, and until when one is used up.
CREATE TABLE pools (
  provider TEXT COLLATE "C" NOT NULL,
  account TEXT COLLATE "C" NOT NULL,
  limit_window TEXT COLLATE "C" NOT NULL,
  exhausted_until TEXT COLLATE "C",
  used_share DOUBLE PRECISION,
  source TEXT COLLATE "C" NOT NULL,
  observed_at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (provider, account, limit_window)
);
