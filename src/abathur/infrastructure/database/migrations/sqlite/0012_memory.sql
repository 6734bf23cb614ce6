-- Versions of memories. They may be working ones now, which are short-lived, and name their task.
CREATE TABLE memory_entries_typed (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL CHECK (json_valid(value)),
  memory_type TEXT NOT NULL
    CHECK (memory_type IN ('semantic', 'episodic', 'procedural', 'working')),
  version INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
  is_deleted INTEGER NOT NULL DEFAULT 0,
  metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
  created_by TEXT,
  updated_by TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  task_id TEXT,
  UNIQUE (namespace, key, version)
);

INSERT INTO memory_entries_typed (
  id, namespace, key, value, memory_type, version, is_deleted, metadata, created_by, updated_by,
  created_at, updated_at
)
SELECT id, namespace, key, value, memory_type, version, is_deleted, metadata, created_by,
  updated_by, created_at, updated_at
FROM memory_entries;

-- The ids go on where they were.
DELETE FROM sqlite_sequence WHERE name = 'memory_entries_typed';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'memory_entries_typed', seq FROM sqlite_sequence WHERE name = 'memory_entries';
DROP TABLE memory_entries;
ALTER TABLE memory_entries_typed RENAME TO memory_entries;

-- What is true of a memory whatever its version; `version` is the present one.
CREATE TABLE memories (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace TEXT NOT NULL,
  key TEXT NOT NULL,
  memory_type TEXT NOT NULL
    CHECK (memory_type IN ('semantic', 'episodic', 'procedural', 'working')),
  version INTEGER NOT NULL CHECK (version > 0),
  importance REAL NOT NULL DEFAULT 0.5 CHECK (importance BETWEEN 0 AND 1),
  task_id TEXT,
  created_by TEXT,
  created_at TEXT NOT NULL,
  updated_by TEXT,
  updated_at TEXT NOT NULL,
  expires_at TEXT,
  deleted_at TEXT,
  access_count INTEGER NOT NULL DEFAULT 0 CHECK (access_count >= 0),
  last_used_at TEXT,
  promoted_at TEXT,
  UNIQUE (namespace, key)
);

CREATE INDEX memories_expiring ON memories (expires_at)
  WHERE expires_at IS NOT NULL AND deleted_at IS NULL;

-- Which tasks were given a memory, or looked it up.
CREATE TABLE memory_uses (
  memory_id INTEGER NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
  task_id TEXT NOT NULL,
  used_at TEXT NOT NULL,
  PRIMARY KEY (memory_id, task_id)
) WITHOUT ROWID;

ALTER TABLE document_index ADD COLUMN namespace TEXT NOT NULL DEFAULT '';

-- What can be found: the present text of a memory, or a part of a document. Rows are never changed,
-- so that whatever is made of one, a vector or an entry of the index below, stays true.
CREATE TABLE passages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  memory_id INTEGER REFERENCES memories (id) ON DELETE CASCADE,
  document_id INTEGER REFERENCES document_index (id) ON DELETE CASCADE,
  heading TEXT NOT NULL DEFAULT '',
  text TEXT NOT NULL,
  first_line INTEGER,
  last_line INTEGER
);

CREATE INDEX passages_by_memory ON passages (memory_id) WHERE memory_id IS NOT NULL;
CREATE INDEX passages_by_document ON passages (document_id) WHERE document_id IS NOT NULL;

-- The words of all passages. It holds no text of its own.
CREATE VIRTUAL TABLE passage_words USING fts5 (
  heading, text, content = 'passages', content_rowid = 'id',
  tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TRIGGER passages_are_indexed AFTER INSERT ON passages
BEGIN
  INSERT INTO passage_words (rowid, heading, text) VALUES (new.id, new.heading, new.text);
END;

CREATE TRIGGER passages_are_taken_out AFTER DELETE ON passages
BEGIN
  INSERT INTO passage_words (passage_words, rowid, heading, text)
  VALUES ('delete', old.id, old.heading, old.text);
END;

CREATE TRIGGER passages_are_never_changed BEFORE UPDATE ON passages
BEGIN
  SELECT RAISE(ABORT, 'a passage is never changed: remove it and write another one');
END;

-- Events and state of sessions that an older version wrote stay in the columns of `sessions`, and
-- come before these.
CREATE TABLE session_events (
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL CHECK (sequence > 0),
  at TEXT NOT NULL,
  event TEXT NOT NULL CHECK (json_valid(event)),
  PRIMARY KEY (session_id, sequence)
) WITHOUT ROWID;

-- `owner` is the id of a session, or who shares the state: a user, an app, a project.
CREATE TABLE session_state (
  scope TEXT NOT NULL CHECK (scope IN ('session', 'temp', 'user', 'app', 'project')),
  owner TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL CHECK (json_valid(value)),
  updated_at TEXT NOT NULL,
  PRIMARY KEY (scope, owner, key)
);

CREATE INDEX tasks_by_session ON tasks (session_id) WHERE session_id IS NOT NULL;

-- What is there already.
INSERT INTO memories (
  namespace, key, memory_type, version, created_by, created_at, updated_by, updated_at, deleted_at
)
SELECT e.namespace, e.key, e.memory_type, e.version, f.created_by, f.created_at, e.updated_by,
  e.updated_at, CASE WHEN e.is_deleted <> 0 THEN e.updated_at END
FROM memory_entries AS e
JOIN (
  SELECT namespace, key, min(version) AS first, max(version) AS last
  FROM memory_entries GROUP BY namespace, key
) AS g ON g.namespace = e.namespace AND g.key = e.key AND g.last = e.version
JOIN memory_entries AS f
  ON f.namespace = e.namespace AND f.key = e.key AND f.version = g.first
ORDER BY e.id;

INSERT INTO passages (memory_id, heading, text)
SELECT m.id, replace(m.namespace, ':', ' ') || ' ' || m.key, coalesce((
  SELECT group_concat(t.atom, char(10)) FROM json_tree(e.value) AS t WHERE t.atom IS NOT NULL
), '')
FROM memories AS m JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE m.deleted_at IS NULL
ORDER BY m.id;
