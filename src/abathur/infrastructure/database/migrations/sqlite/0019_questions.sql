-- An agent can ask a person something of its own.
CREATE TABLE reviews_with_questions (
  id TEXT PRIMARY KEY,
  task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('landing', 'permission', 'question')),
  tree TEXT,
  question TEXT NOT NULL,
  data TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(data)),
  state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'void')),
  comment TEXT,
  asked_at TEXT NOT NULL,
  decided_at TEXT,
  decided_by TEXT
);

INSERT INTO reviews_with_questions (
  id, task_id, attempt, kind, tree, question, data, state, comment, asked_at, decided_at, decided_by
) SELECT
  id, task_id, attempt, kind, tree, question, data, state, comment, asked_at, decided_at, decided_by
FROM reviews;

DROP TABLE reviews;

ALTER TABLE reviews_with_questions RENAME TO reviews;

CREATE INDEX reviews_by_task ON reviews (task_id, id);
CREATE INDEX reviews_open ON reviews (task_id, id) WHERE state = 'open';
