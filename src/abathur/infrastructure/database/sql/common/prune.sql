-- The order is that of the primary key, so that a page costs what it holds; `~` comes after all
-- characters of ids.
-- name: prune_ended
SELECT id, fence, status, summary, coalesce(completed_at, last_updated_at) AS ended_at
FROM tasks
WHERE status IN ('completed', 'failed', 'cancelled')
  AND id < coalesce(:before_id, '~')
  AND (:before IS NULL OR coalesce(completed_at, last_updated_at) < :before)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
ORDER BY id DESC LIMIT :limit;

-- name: prune_ended_of
SELECT id, fence, status, summary, coalesce(completed_at, last_updated_at) AS ended_at
FROM tasks
WHERE id IN (SELECT value FROM json_each(:ids))
  AND status IN ('completed', 'failed', 'cancelled')
  AND id < coalesce(:before_id, '~')
  AND (:before IS NULL OR coalesce(completed_at, last_updated_at) < :before)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
ORDER BY id DESC LIMIT :limit;

-- name: prune_references
SELECT prerequisite_task_id AS target, dependent_task_id AS source, 'depends' AS kind
FROM task_dependencies WHERE prerequisite_task_id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT parent_task_id, id, 'part' FROM tasks
WHERE parent_task_id IS NOT NULL AND parent_task_id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT cancelled_by, id, 'cancelled' FROM tasks
WHERE cancelled_by IS NOT NULL AND cancelled_by IN (SELECT value FROM json_each(:ids));

-- name: prune_in_hand
SELECT t.id FROM tasks AS t
JOIN attempts AS a ON a.task_id = t.id AND a.number = t.attempt_count
JOIN workers AS w ON w.id = a.worker_id
WHERE t.id IN (SELECT value FROM json_each(:ids))
  AND w.stopped_at IS NULL AND w.lease_until > :now
  AND coalesce(t.completed_at, t.last_updated_at) > :recently;

-- name: prune_branches
SELECT task_id, branch FROM attempts
WHERE task_id IN (SELECT value FROM json_each(:ids)) AND branch IS NOT NULL;

-- From the leaves to the root: everything goes in steps that can be counted.

-- name: prune_run_events
DELETE FROM run_events WHERE task_id IN (SELECT value FROM json_each(:ids));

-- name: prune_reviews
DELETE FROM reviews WHERE task_id IN (SELECT value FROM json_each(:ids));

-- name: prune_landings
DELETE FROM landings WHERE task_id IN (SELECT value FROM json_each(:ids));

-- name: prune_agents
DELETE FROM agents WHERE task_id IN (SELECT value FROM json_each(:ids));

-- name: prune_checkpoints
DELETE FROM checkpoints WHERE task_id IN (SELECT value FROM json_each(:ids));

-- name: prune_attempts
DELETE FROM attempts WHERE task_id IN (SELECT value FROM json_each(:ids));

-- name: prune_task_dependencies
DELETE FROM task_dependencies WHERE dependent_task_id IN (SELECT value FROM json_each(:ids));

-- name: prune_tasks
DELETE FROM tasks WHERE id IN (SELECT value FROM json_each(:ids));
