-- What two states of a database have in common, and what only the later one holds.

-- name: restore_schema
SELECT coalesce(max(version), 0) AS version FROM schema_migrations;

-- name: restore_counts
SELECT status, count(*) AS n FROM tasks GROUP BY status;

-- name: restore_last_entry
SELECT id, timestamp, task_id, action_type FROM audit ORDER BY id DESC LIMIT 1;

-- name: restore_entry
SELECT id, timestamp, task_id, action_type FROM audit WHERE id = :id;

-- name: restore_entries_since
SELECT action_type, count(*) AS n FROM audit WHERE id > :id GROUP BY action_type;

-- What sessions note isn't told in the trail.
-- name: restore_last_noted
SELECT coalesce(max(last_update_time), '') AS at FROM sessions;

-- name: restore_noted_since
SELECT count(*) AS n FROM sessions WHERE last_update_time > :at;

-- name: restore_live_workers
SELECT id, host, pid, pid_started_at, repository, max_agents, started_at, heartbeat_at, lease_until,
  stop_requested_at, stopped_at
FROM workers WHERE stopped_at IS NULL ORDER BY id;
