-- name: agents_end_of_task:many
UPDATE agents SET state = 'terminated', terminated_at = r.now
FROM json_to_recordset(:rows::json) AS r (task_id TEXT, now TEXT)
WHERE agents.task_id = r.task_id AND agents.terminated_at IS NULL;

-- name: workers_beat
UPDATE workers SET heartbeat_at = :now, lease_until = greatest(lease_until, :lease_until)
WHERE id = :id
RETURNING *;

-- name: agents_select
SELECT * FROM agents WHERE (:task_id::text IS NULL OR task_id = :task_id)
ORDER BY spawned_at DESC, id LIMIT 1000;

