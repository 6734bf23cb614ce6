-- As in `fix.sql`: what is searched, which can be made again. What a memory says is worked out in
-- `services/fixing_memories.py`.

-- name: fix_passage_owner
DELETE FROM passages
WHERE CAST(id AS TEXT) = :row_key AND (memory_id IS NULL) = (document_id IS NULL);

-- A vector that is missing is made again.
-- name: fix_vector_length
DELETE FROM vectors WHERE CAST(passage_id AS TEXT) = :row_key AND length(vector) <> 4 * dimension;

-- The next `abathur docs index` reads it anew.
-- name: fix_document_passages
UPDATE document_index SET sync_status = 'stale'
WHERE CAST(id AS TEXT) = :row_key AND sync_status = 'synced' AND chunk_count <> (
  SELECT count(*) FROM passages AS p WHERE p.document_id = document_index.id);

-- Back to the newest version that there is.
-- name: fix_memory_without_version
UPDATE memories SET version = (
  SELECT max(e.version) FROM memory_entries AS e
  WHERE e.namespace = memories.namespace AND e.key = memories.key)
WHERE CAST(id AS TEXT) = :row_key
  AND NOT EXISTS (SELECT 1 FROM memory_entries AS e
    WHERE e.namespace = memories.namespace AND e.key = memories.key
      AND e.version = memories.version)
  AND EXISTS (SELECT 1 FROM memory_entries AS e
    WHERE e.namespace = memories.namespace AND e.key = memories.key);

-- name: fix_memory_empty
DELETE FROM memories
WHERE CAST(id AS TEXT) = :row_key AND NOT EXISTS (
  SELECT 1 FROM memory_entries AS e
  WHERE e.namespace = memories.namespace AND e.key = memories.key);

-- The memory as its newest version says; what only the lost row knew, such as its importance, is as
-- in a new one.
-- name: fix_version_without_memory
INSERT INTO memories (
  namespace, key, memory_type, version, task_id, created_by, created_at, updated_by, updated_at,
  deleted_at
)
SELECT e.namespace, e.key, e.memory_type, e.version, f.task_id, f.created_by, f.created_at,
  e.updated_by, e.updated_at, CASE WHEN e.is_deleted = 1 THEN e.updated_at END
FROM memory_entries AS e JOIN memory_entries AS f
  ON f.namespace = e.namespace AND f.key = e.key
WHERE CAST(e.id AS TEXT) = :row_key
  AND f.version = (SELECT min(o.version) FROM memory_entries AS o
    WHERE o.namespace = e.namespace AND o.key = e.key)
  AND e.version = (SELECT max(o.version) FROM memory_entries AS o
    WHERE o.namespace = e.namespace AND o.key = e.key)
ON CONFLICT (namespace, key) DO UPDATE SET
  memory_type = excluded.memory_type, version = excluded.version,
  updated_by = excluded.updated_by, updated_at = excluded.updated_at
WHERE memories.version < excluded.version;

-- What a version is of, and which one is the present one there.
-- name: row_of_memory_entries
SELECT e.namespace, e.key, e.version, m.id AS memory_id, m.version AS memory_version
FROM memory_entries AS e LEFT JOIN memories AS m ON m.namespace = e.namespace AND m.key = e.key
WHERE CAST(e.id AS TEXT) = :row_key;

-- name: row_of_memories
SELECT m.*, (SELECT count(*) FROM passages AS p WHERE p.memory_id = m.id) AS passages
FROM memories AS m WHERE CAST(m.id AS TEXT) = :row_key;

-- name: row_of_document_index
SELECT id, file_path, sync_status FROM document_index WHERE CAST(id AS TEXT) = :row_key;
