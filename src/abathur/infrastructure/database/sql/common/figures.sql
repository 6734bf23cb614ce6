-- name: figures_open_tasks
SELECT status, agent_type, coalesce(feature_branch, '') AS target, count(*) AS n FROM tasks
WHERE status IN ('pending', 'blocked', 'ready', 'running') GROUP BY 1, 2, 3;

-- name: figures_ended_tasks
SELECT status, agent_type, coalesce(feature_branch, '') AS target, count(*) AS n FROM tasks
WHERE status IN ('completed', 'failed', 'cancelled') GROUP BY 1, 2, 3;

-- name: figures_ready_since
SELECT min(last_updated_at) AS since FROM tasks WHERE status = 'ready';

-- name: figures_attempts_under_way
SELECT count(*) AS n FROM attempts WHERE ended_at IS NULL;

-- name: figures_ended_attempts
SELECT coalesce(outcome, '') AS outcome, coalesce(failure_class, '') AS failure_class, count(*) AS n
FROM attempts WHERE ended_at IS NOT NULL GROUP BY 1, 2;

-- name: figures_open_landings
SELECT state, target, count(*) AS n FROM landings
WHERE state IN ('queued', 'running') GROUP BY 1, 2;

-- name: figures_ended_landings
SELECT state, target, count(*) AS n FROM landings
WHERE state NOT IN ('queued', 'running') GROUP BY 1, 2;

-- name: figures_gate_runs
SELECT gate, verdict, count(*) AS n FROM gate_runs GROUP BY 1, 2;
