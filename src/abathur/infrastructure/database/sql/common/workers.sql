-- name: workers_insert
INSERT INTO workers (
  id, host, pid, pid_started_at, repository, max_agents, started_at, heartbeat_at, lease_until,
  stop_requested_at, stopped_at
) VALUES (
  :id, :host, :pid, :pid_started_at, :repository, :max_agents, :started_at, :heartbeat_at,
  :lease_until, :stop_requested_at, :stopped_at
);

-- name: workers_get
SELECT * FROM workers WHERE id = :id;

-- name: workers_live
SELECT * FROM workers WHERE stopped_at IS NULL ORDER BY started_at, id;

-- name: workers_beat
UPDATE workers SET heartbeat_at = :now, lease_until = max(lease_until, :lease_until)
WHERE id = :id
RETURNING *;

-- name: workers_resize
UPDATE workers SET max_agents = :max_agents WHERE id = :id AND max_agents <> :max_agents;

-- name: workers_stop_requested
UPDATE workers SET stop_requested_at = :now WHERE id = :id AND stop_requested_at IS NULL;

-- name: workers_stopped
UPDATE workers SET stopped_at = :now WHERE id = :id AND stopped_at IS NULL;

-- name: agents_insert
INSERT INTO agents (id, name, specialization, task_id, state, model, spawned_at, terminated_at)
VALUES (:id, :name, :specialization, :task_id, :state, :model, :spawned_at, :terminated_at);

-- name: agents_end_of_task
UPDATE agents SET state = 'terminated', terminated_at = :now
WHERE task_id = :task_id AND terminated_at IS NULL;

-- name: agents_end_of_attempt
UPDATE agents SET state = 'terminated', terminated_at = :now
WHERE task_id = :task_id AND name LIKE :name AND terminated_at IS NULL;

-- name: agents_select
SELECT * FROM agents WHERE (:task_id IS NULL OR task_id = :task_id)
ORDER BY spawned_at DESC, id LIMIT 1000;
