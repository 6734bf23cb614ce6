-- Questions to a person. An answer holds for the tree that it was given for, and for no other.
CREATE TABLE reviews (
  id TEXT COLLATE "C" PRIMARY KEY,
  task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  attempt BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('landing', 'permission')),
  tree TEXT COLLATE "C",
  question TEXT COLLATE "C" NOT NULL,
  data TEXT COLLATE "C" NOT NULL DEFAULT '{}' CHECK (data::json IS NOT NULL),
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'void')),
  comment TEXT COLLATE "C",
  asked_at TEXT COLLATE "C" NOT NULL,
  decided_at TEXT COLLATE "C",
  decided_by TEXT COLLATE "C"
);

CREATE INDEX reviews_by_task ON reviews (task_id, id);
CREATE INDEX reviews_open ON reviews (task_id, id) WHERE state = 'open';
