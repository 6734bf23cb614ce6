-- Each entry of the trail carries a hash over itself and the entry before it of its task. Entries
-- without a task have an empty task_id and are a chain of their own. The table points to no other,
-- so that what it tells about can be deleted.

-- What the trail didn't tell by itself: that prerequisites were counted down.
INSERT INTO audit (timestamp, task_id, actor, action_type, action_data)
SELECT t.last_updated_at, t.id, 'migration:audit_chain', 'prerequisite_completed',
  json_object('unmet_count', t.unmet_count)
FROM tasks AS t
WHERE EXISTS (SELECT 1 FROM task_dependencies AS d
              WHERE d.dependent_task_id = t.id AND d.resolved_at IS NOT NULL)
ORDER BY t.id;

CREATE TABLE audit_chained (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  timestamp TEXT NOT NULL,
  task_id TEXT NOT NULL,
  agent_id TEXT,
  actor TEXT NOT NULL,
  action_type TEXT NOT NULL,
  action_data TEXT NOT NULL DEFAULT '{}',
  result TEXT,
  memory_operation_type TEXT,
  memory_namespace TEXT,
  memory_entry_id INTEGER,
  sequence INTEGER NOT NULL CHECK (sequence > 0),
  hash TEXT NOT NULL CHECK (length(hash) = 64)
);

-- audit_chain() is the program's own: entry_hash() of domain/audit.py over rows in their order.
INSERT INTO audit_chained (
  id, timestamp, task_id, agent_id, actor, action_type, action_data, result,
  memory_operation_type, memory_namespace, memory_entry_id, sequence, hash
)
SELECT
  id, timestamp, coalesce(task_id, ''), agent_id, actor, action_type, action_data, result,
  memory_operation_type, memory_namespace, memory_entry_id,
  row_number() OVER of_task,
  audit_chain(
    id, coalesce(task_id, ''), timestamp, actor, action_type, action_data, agent_id, result,
    memory_operation_type, memory_namespace, memory_entry_id
  ) OVER of_task
FROM audit
WINDOW of_task AS (PARTITION BY coalesce(task_id, '') ORDER BY id)
ORDER BY id;

-- The ids go on where they were.
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'audit')
WHERE name = 'audit_chained';

DROP TABLE audit;
ALTER TABLE audit_chained RENAME TO audit;

CREATE UNIQUE INDEX audit_by_task ON audit (task_id, sequence);

-- The last entry of each task, so that its removal is noticed.
CREATE TABLE audit_heads (
  task_id TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL,
  hash TEXT NOT NULL
) WITHOUT ROWID;

INSERT INTO audit_heads (task_id, sequence, hash)
SELECT task_id, max(sequence), hash FROM audit GROUP BY task_id;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only: its rows can''t be changed');
END;

CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only: its rows can''t be deleted');
END;

CREATE TRIGGER audit_heads_are_never_deleted BEFORE DELETE ON audit_heads
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only: its heads can''t be deleted');
END;
