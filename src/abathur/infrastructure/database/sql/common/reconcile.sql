-- As `check.sql`, but of what is open only: they cost nothing for finished tasks. What isn't here
-- is cheap as it stands there. The status is named wherever an index goes by it.

-- name: open_unmet_counts
SELECT 'tasks' AS tbl, id AS row_key, id AS task_id,
  'task ' || id || ' counts ' || unmet_count || ' unmet prerequisites, but ' || n
  || ' are not completed' AS what
FROM (
  SELECT t.id, t.unmet_count,
    (SELECT count(*) FROM task_dependencies AS d JOIN tasks AS p ON p.id = d.prerequisite_task_id
     WHERE d.dependent_task_id = t.id AND p.status <> 'completed') AS n
  FROM tasks AS t WHERE t.status = 'blocked'
) AS counted
WHERE unmet_count <> n LIMIT :limit;

-- name: open_lease_without_run
SELECT 'tasks' AS tbl, id AS row_key, id AS task_id,
  'task ' || id || ' is ' || status || ', but still carries the lease of a worker' AS what
FROM tasks
WHERE status IN ('pending', 'blocked', 'ready')
  AND (worker_id IS NOT NULL OR lease_until IS NOT NULL)
LIMIT :limit;
