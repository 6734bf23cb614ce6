-- name: workers_beat
UPDATE workers SET heartbeat_at = :now, lease_until = greatest(lease_until, :lease_until)
WHERE id = :id
RETURNING *;

-- name: agents_select
SELECT * FROM agents WHERE (:task_id::text IS NULL OR task_id = :task_id)
ORDER BY spawned_at DESC, id LIMIT 1000;

