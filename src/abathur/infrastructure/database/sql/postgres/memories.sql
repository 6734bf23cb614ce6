-- In order of id, so that two that use the same memories don't wait for each other. A version that was
-- written while the statement waited for the row's lock is none that it sees: the row comes without it.
-- name: memories_by_ids:locked
SELECT m.*, e.id AS entry_id, e.value, e.metadata
FROM memories AS m LEFT JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE m.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))
ORDER BY m.id FOR UPDATE OF m;

-- name: memories_get:locked
SELECT m.*, e.id AS entry_id, e.value, e.metadata
FROM memories AS m LEFT JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE m.namespace = :namespace AND m.key = :key
FOR UPDATE OF m;
