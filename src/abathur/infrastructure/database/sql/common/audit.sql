-- name: audit_insert
INSERT INTO audit (id, timestamp, task_id, actor, action_type, action_data, sequence, hash)
VALUES (:id, :timestamp, :task_id, :actor, :action_type, :action_data, :sequence, :hash);

-- name: audit_heads_save
INSERT INTO audit_heads (task_id, sequence, hash) VALUES (:task_id, :sequence, :hash)
ON CONFLICT (task_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash;

-- name: audit_of_task
SELECT id, timestamp, task_id, actor, action_type, action_data FROM audit
WHERE task_id = :task_id ORDER BY sequence DESC LIMIT :limit;

-- name: audit_of_task_after
SELECT id, timestamp, task_id, actor, action_type, action_data FROM audit
WHERE task_id = :task_id AND id > :after_id ORDER BY sequence LIMIT :limit;

-- name: audit_recent
SELECT id, timestamp, task_id, actor, action_type, action_data FROM (
  SELECT * FROM audit ORDER BY id DESC LIMIT :limit
) AS newest ORDER BY id;

-- name: audit_after
SELECT id, timestamp, task_id, actor, action_type, action_data FROM audit
WHERE id > :after_id ORDER BY id LIMIT :limit;

-- The order of task ids is that of their bytes on every engine.
-- name: audit_rows
SELECT * FROM audit WHERE (task_id, sequence, id) > (:task_id, :sequence, :id)
ORDER BY task_id, sequence, id LIMIT :limit;

-- name: audit_rows_of
SELECT * FROM audit WHERE task_id = :task_id ORDER BY sequence, id;

-- name: audit_heads_of
SELECT task_id, sequence, hash FROM audit_heads
WHERE task_id IN (SELECT value FROM json_each(:ids));

-- Pruned tasks have a trail only; one whose trail was removed is a row only.
-- name: audit_ids_by_prefix
SELECT task_id FROM audit_heads WHERE task_id >= :low AND task_id < :high
UNION
SELECT id FROM tasks WHERE id >= :low AND id < :high
ORDER BY task_id LIMIT :limit;

-- name: audit_heads_without_rows
SELECT h.task_id, h.sequence, h.hash FROM audit_heads AS h
WHERE NOT EXISTS (SELECT 1 FROM audit AS a WHERE a.task_id = h.task_id) ORDER BY h.task_id;

-- name: audit_tasks_without_rows
SELECT t.id FROM tasks AS t
WHERE NOT EXISTS (SELECT 1 FROM audit AS a WHERE a.task_id = t.id) ORDER BY t.id;
