-- `fix_CODE` fixes the row that the check of that code named, if it still is as the check found it.
-- What touches a task's status is fixed in `services/fixing.py` instead.

-- name: fix_lease_without_end
UPDATE tasks SET lease_until = :now, last_updated_at = :now
WHERE id = :row_key AND status = 'running' AND worker_id IS NOT NULL AND lease_until IS NULL;

-- name: fix_attempt_unended
UPDATE attempts SET ended_at = :now, outcome = 'lost', error_message = 'its end was not recorded'
WHERE task_id = :task_id AND task_id || '/' || number = :row_key AND ended_at IS NULL
  AND EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id
    AND (t.status <> 'running'
      OR (attempts.number < t.attempt_count AND attempts.fence <> t.fence)));

-- name: fix_landing_open
UPDATE landings SET state = 'cancelled', ended_at = :now, lease_until = NULL, fence = fence + 1
WHERE id = :row_key AND state IN ('queued', 'running') AND merge_commit IS NULL
  AND EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id AND t.status <> 'running');

-- name: fix_landing_without_holder
UPDATE landings SET state = 'queued', worker_id = NULL, lease_until = NULL, fence = fence + 1
WHERE id = :row_key AND state = 'running' AND (lease_until IS NULL OR worker_id IS NULL);

-- name: fix_review_open
UPDATE reviews SET state = 'void', decided_at = :now, comment = 'nothing waited for an answer'
WHERE id = :row_key AND state = 'open';

-- name: fix_agent_unended
UPDATE agents SET state = 'terminated', terminated_at = :now
WHERE id = :row_key AND terminated_at IS NULL
  AND EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id AND t.status <> 'running');

-- name: fix_edge_resolved_early
UPDATE task_dependencies SET resolved_at = NULL
WHERE dependent_task_id = :task_id
  AND prerequisite_task_id || '/' || dependent_task_id = :row_key AND resolved_at IS NOT NULL
  AND EXISTS (SELECT 1 FROM tasks AS p
    WHERE p.id = task_dependencies.prerequisite_task_id AND p.status <> 'completed');

-- name: fix_edge_unresolved
UPDATE task_dependencies SET resolved_at = :now
WHERE dependent_task_id = :task_id
  AND prerequisite_task_id || '/' || dependent_task_id = :row_key AND resolved_at IS NULL
  AND EXISTS (SELECT 1 FROM tasks AS p
    WHERE p.id = task_dependencies.prerequisite_task_id AND p.status = 'completed');

-- name: fix_orphan_edge
DELETE FROM task_dependencies
WHERE dependent_task_id = :task_id
  AND prerequisite_task_id || '/' || dependent_task_id = :row_key
  AND NOT (EXISTS (SELECT 1 FROM tasks AS p WHERE p.id = task_dependencies.prerequisite_task_id)
    AND EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = task_dependencies.dependent_task_id));

-- name: fix_orphan_attempt
DELETE FROM attempts
WHERE task_id = :task_id AND task_id || '/' || number = :row_key
  AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id);

-- name: fix_orphan_events
DELETE FROM run_events
WHERE task_id = :task_id AND task_id || '/' || attempt = :row_key
  AND NOT (EXISTS (SELECT 1 FROM attempts AS a
      WHERE a.task_id = :task_id AND a.number = run_events.attempt)
    AND EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id));

-- name: fix_orphan_landing
DELETE FROM landings
WHERE id = :row_key
  AND NOT (EXISTS (SELECT 1 FROM attempts AS a
      WHERE a.task_id = landings.task_id AND a.number = landings.attempt)
    AND EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = landings.task_id));

-- name: fix_orphan_review
DELETE FROM reviews
WHERE id = :row_key AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id);

-- name: fix_orphan_agent
DELETE FROM agents
WHERE id = :row_key AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = agents.task_id);

-- name: fix_orphan_checkpoint
DELETE FROM checkpoints
WHERE task_id = :task_id AND task_id || '/' || iteration = :row_key
  AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id);

-- name: fix_parent_gone
UPDATE tasks SET parent_task_id = NULL, last_updated_at = :now
WHERE id = :row_key
  AND NOT EXISTS (SELECT 1 FROM tasks AS p WHERE p.id = tasks.parent_task_id);

-- name: fix_canceller_gone
UPDATE tasks SET cancelled_by = NULL, last_updated_at = :now
WHERE id = :row_key AND NOT EXISTS (SELECT 1 FROM tasks AS p WHERE p.id = tasks.cancelled_by);

-- name: fix_session_gone
UPDATE tasks SET session_id = NULL, last_updated_at = :now
WHERE id = :row_key AND NOT EXISTS (SELECT 1 FROM sessions AS s WHERE s.id = tasks.session_id);

-- That there was one is certain, and that it isn't at work; nothing else of it is known.
-- name: fix_attempt_worker_gone
INSERT INTO workers (
  id, host, pid, pid_started_at, repository, max_agents, started_at, heartbeat_at, lease_until,
  stopped_at
)
SELECT a.worker_id, 'unknown', 0, 0, '', 0, min(a.started_at), max(a.started_at), max(a.started_at),
  max(a.started_at)
FROM attempts AS a
WHERE a.worker_id = :row_key AND NOT EXISTS (SELECT 1 FROM workers AS w WHERE w.id = :row_key)
GROUP BY a.worker_id;

-- name: fix_landing_worker_gone
UPDATE landings SET worker_id = NULL
WHERE id = :row_key AND NOT EXISTS (SELECT 1 FROM workers AS w WHERE w.id = landings.worker_id);

-- name: task_retold
UPDATE tasks SET
  source = :source, input_data = :input_data, result_data = :result_data, deadline = :deadline,
  submitted_at = :submitted_at, started_at = :started_at, completed_at = :completed_at,
  last_updated_at = :last_updated_at, not_before = :not_before, lease_until = :lease_until
WHERE id = :id;

-- What the rows of a table hold before and after they are fixed.

-- name: row_of_tasks
SELECT * FROM tasks WHERE id = :row_key;

-- name: row_of_workers
SELECT * FROM workers WHERE id = :row_key;

-- name: row_of_attempts
SELECT * FROM attempts WHERE task_id = :task_id AND task_id || '/' || number = :row_key;

-- name: row_of_run_events
SELECT count(*) AS events FROM run_events
WHERE task_id = :task_id AND task_id || '/' || attempt = :row_key HAVING count(*) > 0;

-- name: row_of_landings
SELECT * FROM landings WHERE id = :row_key;

-- name: row_of_reviews
SELECT * FROM reviews WHERE id = :row_key;

-- name: row_of_agents
SELECT * FROM agents WHERE id = :row_key;

-- name: row_of_checkpoints
SELECT * FROM checkpoints WHERE task_id = :task_id AND task_id || '/' || iteration = :row_key;

-- name: row_of_task_dependencies
SELECT * FROM task_dependencies
WHERE dependent_task_id = :task_id AND prerequisite_task_id || '/' || dependent_task_id = :row_key;

-- What a task has to agree with.
-- name: task_surroundings
SELECT
  (SELECT count(*) FROM task_dependencies AS d JOIN tasks AS p ON p.id = d.prerequisite_task_id
   WHERE d.dependent_task_id = t.id AND p.status <> 'completed') AS unmet,
  (SELECT min(p.id) FROM task_dependencies AS d JOIN tasks AS p ON p.id = d.prerequisite_task_id
   WHERE d.dependent_task_id = t.id AND p.status IN ('failed', 'cancelled')) AS dead_end,
  (SELECT max(a.number) FROM attempts AS a WHERE a.task_id = t.id) AS attempts,
  (SELECT max(a.fence) FROM attempts AS a WHERE a.task_id = t.id) AS fence,
  (SELECT count(*) FROM landings AS l
   WHERE l.task_id = t.id AND l.state IN ('queued', 'running')) AS open_landings,
  (SELECT count(*) FROM reviews AS r WHERE r.task_id = t.id AND r.state = 'open') AS open_reviews,
  (SELECT count(*) FROM workers AS w
   WHERE w.id = t.worker_id AND w.stopped_at IS NULL) AS live_holders
FROM tasks AS t WHERE t.id = :id;
