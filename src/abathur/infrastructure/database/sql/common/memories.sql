-- A memory with its present version.
-- name: memories_get
SELECT m.*, e.id AS entry_id, e.value, e.metadata
FROM memories AS m JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE m.namespace = :namespace AND m.key = :key;

-- name: memories_by_ids
SELECT m.*, e.id AS entry_id, e.value, e.metadata
FROM memories AS m JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE m.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids));

-- `;` is the character after `:`, so this is the namespace and everything below it.
-- name: memories_select
SELECT m.*, e.id AS entry_id, e.value, e.metadata
FROM memories AS m JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE (:namespace IS NULL OR m.namespace = :namespace
    OR (m.namespace >= :namespace || ':' AND m.namespace < :namespace || ';'))
  AND (:types IS NULL OR m.memory_type IN (SELECT value FROM json_each(:types)))
  AND (:author IS NULL OR m.created_by = :author OR m.updated_by = :author)
  AND (:task_id IS NULL OR m.task_id = :task_id)
  AND (:since IS NULL OR m.updated_at >= :since)
  AND (:until IS NULL OR m.updated_at < :until)
  AND ((m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now))
    OR CAST(:also_gone AS BIGINT) = 1)
  AND m.id < coalesce(CAST(:before_id AS BIGINT), 9223372036854775807)
ORDER BY m.id DESC LIMIT :limit;

-- name: memories_count
SELECT count(*) AS n FROM memories
WHERE namespace = :namespace AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > :now);

-- name: memories_count_keys
SELECT count(*) AS n FROM memories WHERE namespace = :namespace;

-- name: memories_expired
SELECT m.*, e.id AS entry_id, e.value, e.metadata
FROM memories AS m JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE m.expires_at <= :now AND m.deleted_at IS NULL
  AND (:namespace IS NULL OR m.namespace = :namespace
    OR (m.namespace >= :namespace || ':' AND m.namespace < :namespace || ';'))
  AND (:types IS NULL OR m.memory_type IN (SELECT value FROM json_each(:types)))
ORDER BY m.expires_at LIMIT :limit;

-- name: memories_insert
INSERT INTO memories (
  namespace, key, memory_type, version, importance, task_id, created_by, created_at, updated_by,
  updated_at, expires_at
) VALUES (
  :namespace, :key, :memory_type, :version, :importance, :task_id, :created_by, :created_at,
  :updated_by, :updated_at, :expires_at
)
ON CONFLICT (namespace, key) DO NOTHING
RETURNING id;

-- name: memories_save
UPDATE memories SET
  memory_type = :memory_type, version = :version, importance = :importance,
  task_id = :task_id, created_by = :created_by, created_at = :created_at,
  updated_by = :updated_by, updated_at = :updated_at, expires_at = :expires_at,
  deleted_at = :deleted_at, promoted_at = :promoted_at
WHERE id = :id AND version = :expected_version;

-- name: memories_touch
UPDATE memories SET access_count = access_count + 1, last_used_at = :now WHERE id = :id;

-- name: memory_versions_insert
INSERT INTO memory_entries (
  namespace, key, value, memory_type, version, metadata, created_by, updated_by, created_at,
  updated_at, task_id
) VALUES (
  :namespace, :key, :value, :memory_type, :version, :metadata, :created_by, :updated_by,
  :created_at, :updated_at, :task_id
)
RETURNING id;

-- name: memory_versions_mark
UPDATE memory_entries SET is_deleted = :is_deleted WHERE namespace = :namespace AND key = :key;

-- name: memory_versions_get
SELECT * FROM memory_entries
WHERE namespace = :namespace AND key = :key AND version = :version;

-- name: memory_versions_of
SELECT * FROM memory_entries WHERE namespace = :namespace AND key = :key ORDER BY version;

-- name: memory_uses_insert
INSERT INTO memory_uses (memory_id, task_id, used_at) VALUES (:memory_id, :task_id, :used_at)
ON CONFLICT DO NOTHING;

-- name: memory_uses_count
SELECT count(*) AS n FROM memory_uses
WHERE memory_id = :memory_id AND (:since IS NULL OR used_at > :since);

-- name: memory_totals
SELECT namespace, memory_type,
  count(CASE WHEN deleted_at IS NULL AND (expires_at IS NULL OR expires_at > :now) THEN 1 END)
    AS live,
  count(CASE WHEN deleted_at IS NULL AND expires_at <= :now THEN 1 END) AS expired,
  count(deleted_at) AS deleted,
  CAST(coalesce(sum(access_count), 0) AS BIGINT) AS accesses
FROM memories GROUP BY namespace, memory_type ORDER BY namespace, memory_type;
