-- Each of these returns a line `what` for every place where the queue contradicts itself.

-- name: check_unmet_counts
SELECT 'task ' || t.id || ' counts ' || t.unmet_count || ' unmet prerequisites, but '
  || (SELECT count(*) FROM task_dependencies AS d JOIN tasks AS p ON p.id = d.prerequisite_task_id
      WHERE d.dependent_task_id = t.id AND p.status <> 'completed') || ' are not completed' AS what
FROM tasks AS t
WHERE t.unmet_count <> (
  SELECT count(*) FROM task_dependencies AS d JOIN tasks AS p ON p.id = d.prerequisite_task_id
  WHERE d.dependent_task_id = t.id AND p.status <> 'completed');

-- name: check_blocked_without_reason
SELECT 'task ' || id || ' is blocked, but nothing that it waits for is unfinished' AS what
FROM tasks WHERE status = 'blocked' AND unmet_count = 0;

-- name: check_started_too_early
SELECT 'task ' || id || ' is ' || status || ' although prerequisites are unfinished' AS what
FROM tasks WHERE status IN ('ready', 'running', 'completed') AND unmet_count > 0;

-- name: check_completed_without_proof
SELECT 'task ' || t.id || ' is completed without a proof of landing' AS what
FROM tasks AS t
WHERE t.status = 'completed' AND NOT EXISTS (
  SELECT 1 FROM landings AS l
  WHERE l.task_id = t.id AND l.state IN ('landed', 'nothing_changed') AND l.proof IS NOT NULL);

-- name: check_running_without_holder
SELECT 'task ' || t.id || ' is running, but no worker holds it and no landing is open' AS what
FROM tasks AS t
WHERE t.status = 'running' AND t.worker_id IS NULL AND NOT EXISTS (
  SELECT 1 FROM landings AS l WHERE l.task_id = t.id AND l.state IN ('queued', 'running'));

-- name: check_lease_without_run
SELECT 'task ' || id || ' is ' || status || ', but still carries the lease of a worker' AS what
FROM tasks WHERE status <> 'running' AND worker_id IS NOT NULL;
