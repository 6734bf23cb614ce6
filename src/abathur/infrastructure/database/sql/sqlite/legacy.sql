-- What the conversion of an older file writes.

-- name: legacy_keep
INSERT INTO legacy_rows (source_table, source_key, content, reason)
VALUES (:source_table, :source_key, :content, :reason);

-- name: legacy_task_session
UPDATE tasks SET session_id = :session_id WHERE id = :id;

-- name: legacy_edge
INSERT INTO task_dependencies (
  prerequisite_task_id, dependent_task_id, dependency_type, created_at, resolved_at
) VALUES (:prerequisite, :dependent, :dependency_type, :created_at, :resolved_at);

-- name: legacy_session
INSERT INTO sessions (
  id, app_name, user_id, project_id, status, events, state, metadata, created_at,
  last_update_time, terminated_at, archived_at
) VALUES (
  :id, :app_name, :user_id, :project_id, :status, :events, :state, :metadata, :created_at,
  :last_update_time, :terminated_at, :archived_at
);

-- name: legacy_agent
INSERT INTO agents (
  id, name, specialization, task_id, state, model, spawned_at, terminated_at, resource_usage,
  session_id
) VALUES (
  :id, :name, :specialization, :task_id, :state, :model, :spawned_at, :terminated_at,
  :resource_usage, :session_id
);

-- name: legacy_memory
INSERT INTO memory_entries (
  id, namespace, key, value, memory_type, version, is_deleted, metadata, created_by, updated_by,
  created_at, updated_at
) VALUES (
  :id, :namespace, :key, :value, :memory_type, :version, :is_deleted, :metadata, :created_by,
  :updated_by, :created_at, :updated_at
);

-- name: legacy_document
INSERT INTO document_index (
  id, file_path, title, document_type, content_hash, chunk_count, embedding_model, embedding_blob,
  metadata, last_synced_at, sync_status, created_at, updated_at
) VALUES (
  :id, :file_path, :title, :document_type, :content_hash, :chunk_count, :embedding_model,
  :embedding_blob, :metadata, :last_synced_at, :sync_status, :created_at, :updated_at
);

-- name: legacy_checkpoint
INSERT INTO checkpoints (task_id, iteration, state, created_at, session_id)
VALUES (:task_id, :iteration, :state, :created_at, :session_id);

-- name: legacy_metric
INSERT INTO metrics (id, timestamp, metric_name, metric_value, labels)
VALUES (:id, :timestamp, :metric_name, :metric_value, :labels);

-- Numbers that were given once aren't given again.
-- name: legacy_sequence_raise
UPDATE sqlite_sequence SET seq = max(seq, :seq) WHERE name = :name;

-- name: legacy_sequence_add
INSERT INTO sqlite_sequence (name, seq)
SELECT :name, :seq WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name);

-- As the migration `memory` does it.
-- name: legacy_memories
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

-- name: legacy_passages
INSERT INTO passages (memory_id, heading, text)
SELECT m.id, replace(m.namespace, ':', ' ') || ' ' || m.key, coalesce((
  SELECT group_concat(t.atom, char(10)) FROM json_tree(e.value) AS t WHERE t.atom IS NOT NULL
), '')
FROM memories AS m JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE m.deleted_at IS NULL
ORDER BY m.id;
