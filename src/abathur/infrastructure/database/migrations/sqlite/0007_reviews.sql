-- Questions to a person. An answer holds for the tree that it was given for, and for no other.
CREATE TABLE reviews (
  id TEXT PRIMARY KEY,
  task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('landing', 'permission')),
  tree TEXT,
  question TEXT NOT NULL,
  data TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(data)),
  state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'void')),
  comment TEXT,
  asked_at TEXT NOT NULL,
  decided_at TEXT,
  decided_by TEXT
);

CREATE INDEX reviews_by_task ON reviews (task_id, id);
CREATE INDEX reviews_open ON reviews (task_id, id) WHERE state = 'open';
