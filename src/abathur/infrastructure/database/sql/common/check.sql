-- Each of these returns a row for every place where the queue contradicts itself: the table, the
-- key of the row, the task that it belongs to, and a line of text. The name without `check_` is the
-- problem's code word. Those that `fix.sql` and `services/fixing.py` can fix are listed in
-- `domain/problems.py`.

-- name: check_unmet_counts
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' counts ' || t.unmet_count || ' unmet prerequisites, but '
  || coalesce(u.n, 0) || ' are not completed' AS what
FROM tasks AS t LEFT JOIN (
  SELECT d.dependent_task_id AS id, count(*) AS n
  FROM task_dependencies AS d JOIN tasks AS p ON p.id = d.prerequisite_task_id
  WHERE p.status <> 'completed' GROUP BY d.dependent_task_id
) AS u ON u.id = t.id
WHERE t.unmet_count <> coalesce(u.n, 0) LIMIT :limit;

-- name: check_blocked_without_reason
SELECT 'tasks' AS tbl, id AS row_key, id AS task_id,
  'task ' || id || ' is blocked, but nothing that it waits for is unfinished' AS what
FROM tasks WHERE status = 'blocked' AND unmet_count = 0 LIMIT :limit;

-- name: check_started_too_early
SELECT 'tasks' AS tbl, id AS row_key, id AS task_id,
  'task ' || id || ' is ' || status || ' although prerequisites are unfinished' AS what
FROM tasks WHERE status IN ('pending', 'ready') AND unmet_count > 0 LIMIT :limit;

-- name: check_ran_too_early
SELECT 'tasks' AS tbl, id AS row_key, id AS task_id,
  'task ' || id || ' is ' || status || ' although prerequisites are unfinished' AS what
FROM tasks WHERE status IN ('running', 'completed') AND unmet_count > 0 LIMIT :limit;

-- name: check_waits_for_dead_end
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' is ' || t.status || ', but waits for task ' || min(p.id)
  || ', which is failed or cancelled' AS what
FROM tasks AS t
JOIN task_dependencies AS d ON d.dependent_task_id = t.id
JOIN tasks AS p ON p.id = d.prerequisite_task_id
WHERE t.status IN ('pending', 'blocked', 'ready') AND p.status IN ('failed', 'cancelled')
GROUP BY t.id, t.status LIMIT :limit;

-- What an older version completed has no proof, and isn't given a made-up one: it is told from the
-- rest by the entry of its import, as long as no agent of this version had the task.
-- name: check_completed_without_proof
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' is completed without a proof of landing' AS what
FROM tasks AS t
WHERE t.status = 'completed' AND NOT EXISTS (
  SELECT 1 FROM landings AS l
  WHERE l.task_id = t.id AND l.state IN ('landed', 'nothing_changed') AND l.proof IS NOT NULL)
AND (
  NOT EXISTS (SELECT 1 FROM audit AS a
    WHERE a.task_id = t.id AND a.action_type = 'task_imported')
  OR EXISTS (SELECT 1 FROM audit AS a
    WHERE a.task_id = t.id AND a.action_type = 'task_claimed'))
LIMIT :limit;

-- name: check_running_without_holder
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' is running, but no worker holds it and no landing is open' AS what
FROM tasks AS t
WHERE t.status = 'running' AND t.worker_id IS NULL AND NOT EXISTS (
  SELECT 1 FROM landings AS l WHERE l.task_id = t.id AND l.state IN ('queued', 'running'))
LIMIT :limit;

-- name: check_holder_gone
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' is running, but its worker ' || t.worker_id || ' has stopped' AS what
FROM tasks AS t LEFT JOIN workers AS w ON w.id = t.worker_id
WHERE t.status = 'running' AND t.worker_id IS NOT NULL
  AND (w.id IS NULL OR w.stopped_at IS NOT NULL)
LIMIT :limit;

-- name: check_lease_without_end
SELECT 'tasks' AS tbl, id AS row_key, id AS task_id,
  'task ' || id || ' is held by worker ' || worker_id || ' without an end of its lease' AS what
FROM tasks WHERE status = 'running' AND worker_id IS NOT NULL AND lease_until IS NULL LIMIT :limit;

-- name: check_lease_without_run
SELECT 'tasks' AS tbl, id AS row_key, id AS task_id,
  'task ' || id || ' is ' || status || ', but still carries the lease of a worker' AS what
FROM tasks WHERE status <> 'running' AND (worker_id IS NOT NULL OR lease_until IS NOT NULL)
LIMIT :limit;

-- name: check_attempt_count_behind
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' counts ' || t.attempt_count || ' attempts, but has one with the number '
  || max(a.number) AS what
FROM tasks AS t JOIN attempts AS a ON a.task_id = t.id
WHERE a.number > t.attempt_count GROUP BY t.id, t.attempt_count LIMIT :limit;

-- name: check_fence_behind
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' has fence ' || t.fence || ', but an attempt was given ' || max(a.fence)
  AS what
FROM tasks AS t JOIN attempts AS a ON a.task_id = t.id
WHERE a.fence > t.fence GROUP BY t.id, t.fence LIMIT :limit;

-- name: check_attempt_unended
SELECT 'attempts' AS tbl, a.task_id || '/' || a.number AS row_key, a.task_id,
  'attempt ' || a.task_id || '/' || a.number || ' has no end, but its task is ' || t.status
  || ' after attempt ' || t.attempt_count AS what
FROM attempts AS a JOIN tasks AS t ON t.id = a.task_id
WHERE a.ended_at IS NULL
  AND (t.status <> 'running' OR (a.number < t.attempt_count AND a.fence <> t.fence))
LIMIT :limit;

-- name: check_landing_open
SELECT 'landings' AS tbl, l.id AS row_key, l.task_id,
  'landing ' || l.id || ' is ' || l.state || ', but its task is ' || t.status AS what
FROM landings AS l JOIN tasks AS t ON t.id = l.task_id
WHERE l.state IN ('queued', 'running') AND t.status <> 'running' AND l.merge_commit IS NULL
LIMIT :limit;

-- Only the repository tells whether the target has the work.
-- name: check_landing_announced
SELECT 'landings' AS tbl, l.id AS row_key, l.task_id,
  'landing ' || l.id || ' of a task that is ' || t.status || ' may have moved ' || l.target
  || ' to ' || l.merge_commit AS what
FROM landings AS l JOIN tasks AS t ON t.id = l.task_id
WHERE l.state IN ('queued', 'running') AND t.status <> 'running' AND l.merge_commit IS NOT NULL
LIMIT :limit;

-- name: check_landing_without_holder
SELECT 'landings' AS tbl, l.id AS row_key, l.task_id,
  'landing ' || l.id || ' is running, but nobody holds it until a known time' AS what
FROM landings AS l
WHERE l.state IN ('queued', 'running') AND l.state = 'running'
  AND (l.lease_until IS NULL OR l.worker_id IS NULL)
LIMIT :limit;

-- name: check_review_open
SELECT 'reviews' AS tbl, r.id AS row_key, r.task_id,
  'review ' || r.id || ' is open, but its task is ' || t.status
  || ' and waits for no answer' AS what
FROM reviews AS r JOIN tasks AS t ON t.id = r.task_id
WHERE r.state = 'open' AND NOT (
  (r.kind = 'permission' AND t.status = 'pending' AND t.not_before IS NULL)
  OR (r.kind = 'question' AND t.status NOT IN ('completed', 'failed', 'cancelled'))
  OR (r.kind = 'landing' AND EXISTS (
    SELECT 1 FROM landings AS l
    WHERE l.task_id = r.task_id AND l.attempt = r.attempt AND l.state IN ('queued', 'running'))))
LIMIT :limit;

-- name: check_waits_for_nothing
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' is pending, but waits neither for a time nor for an answer' AS what
FROM tasks AS t
WHERE t.status = 'pending' AND t.not_before IS NULL AND NOT EXISTS (
  SELECT 1 FROM reviews AS r WHERE r.task_id = t.id AND r.state = 'open')
LIMIT :limit;

-- name: check_agent_unended
SELECT 'agents' AS tbl, g.id AS row_key, g.task_id,
  'agent ' || g.id || ' is ' || g.state || ', but its task is ' || t.status AS what
FROM agents AS g JOIN tasks AS t ON t.id = g.task_id
WHERE g.terminated_at IS NULL AND t.status <> 'running' LIMIT :limit;

-- name: check_edge_resolved_early
SELECT 'task_dependencies' AS tbl,
  d.prerequisite_task_id || '/' || d.dependent_task_id AS row_key,
  d.dependent_task_id AS task_id,
  'task ' || d.dependent_task_id || ' has stopped waiting for task ' || d.prerequisite_task_id
  || ', which is ' || p.status AS what
FROM task_dependencies AS d JOIN tasks AS p ON p.id = d.prerequisite_task_id
WHERE d.resolved_at IS NOT NULL AND p.status <> 'completed' LIMIT :limit;

-- name: check_edge_unresolved
SELECT 'task_dependencies' AS tbl,
  d.prerequisite_task_id || '/' || d.dependent_task_id AS row_key,
  d.dependent_task_id AS task_id,
  'task ' || d.dependent_task_id || ' still waits for task ' || d.prerequisite_task_id
  || ', which is completed' AS what
FROM task_dependencies AS d JOIN tasks AS p ON p.id = d.prerequisite_task_id
WHERE d.resolved_at IS NULL AND p.status = 'completed' LIMIT :limit;

-- name: check_orphan_edge
SELECT 'task_dependencies' AS tbl,
  d.prerequisite_task_id || '/' || d.dependent_task_id AS row_key,
  d.dependent_task_id AS task_id,
  'the edge from ' || d.prerequisite_task_id || ' to ' || d.dependent_task_id
  || ' names a task that doesn''t exist' AS what
FROM task_dependencies AS d
LEFT JOIN tasks AS p ON p.id = d.prerequisite_task_id
LEFT JOIN tasks AS t ON t.id = d.dependent_task_id
WHERE p.id IS NULL OR t.id IS NULL LIMIT :limit;

-- name: check_orphan_attempt
SELECT 'attempts' AS tbl, a.task_id || '/' || a.number AS row_key, a.task_id,
  'attempt ' || a.task_id || '/' || a.number || ' belongs to a task that doesn''t exist' AS what
FROM attempts AS a LEFT JOIN tasks AS t ON t.id = a.task_id WHERE t.id IS NULL LIMIT :limit;

-- name: check_orphan_events
SELECT 'run_events' AS tbl, e.task_id || '/' || e.attempt AS row_key, e.task_id,
  e.n || ' events belong to attempt ' || e.task_id || '/' || e.attempt
  || ', which or whose task doesn''t exist' AS what
FROM (SELECT task_id, attempt, count(*) AS n FROM run_events GROUP BY task_id, attempt) AS e
LEFT JOIN attempts AS a ON a.task_id = e.task_id AND a.number = e.attempt
LEFT JOIN tasks AS t ON t.id = e.task_id
WHERE a.task_id IS NULL OR t.id IS NULL LIMIT :limit;

-- name: check_orphan_landing
SELECT 'landings' AS tbl, l.id AS row_key, l.task_id,
  'landing ' || l.id || ' belongs to attempt ' || l.task_id || '/' || l.attempt
  || ', which or whose task doesn''t exist' AS what
FROM landings AS l LEFT JOIN attempts AS a ON a.task_id = l.task_id AND a.number = l.attempt
LEFT JOIN tasks AS t ON t.id = l.task_id
WHERE a.task_id IS NULL OR t.id IS NULL LIMIT :limit;

-- name: check_orphan_review
SELECT 'reviews' AS tbl, r.id AS row_key, r.task_id,
  'review ' || r.id || ' belongs to task ' || r.task_id || ', which doesn''t exist' AS what
FROM reviews AS r LEFT JOIN tasks AS t ON t.id = r.task_id WHERE t.id IS NULL LIMIT :limit;

-- name: check_orphan_agent
SELECT 'agents' AS tbl, g.id AS row_key, g.task_id,
  'agent ' || g.id || ' belongs to task ' || g.task_id || ', which doesn''t exist' AS what
FROM agents AS g LEFT JOIN tasks AS t ON t.id = g.task_id WHERE t.id IS NULL LIMIT :limit;

-- name: check_orphan_checkpoint
SELECT 'checkpoints' AS tbl, c.task_id || '/' || c.iteration AS row_key, c.task_id,
  'checkpoint ' || c.task_id || '/' || c.iteration || ' belongs to a task that doesn''t exist'
  AS what
FROM checkpoints AS c LEFT JOIN tasks AS t ON t.id = c.task_id WHERE t.id IS NULL LIMIT :limit;

-- name: check_parent_gone
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' is a part of task ' || t.parent_task_id || ', which doesn''t exist' AS what
FROM tasks AS t LEFT JOIN tasks AS p ON p.id = t.parent_task_id
WHERE t.parent_task_id IS NOT NULL AND p.id IS NULL LIMIT :limit;

-- name: check_canceller_gone
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' was cancelled by task ' || t.cancelled_by || ', which doesn''t exist' AS what
FROM tasks AS t LEFT JOIN tasks AS p ON p.id = t.cancelled_by
WHERE t.cancelled_by IS NOT NULL AND p.id IS NULL LIMIT :limit;

-- name: check_session_gone
SELECT 'tasks' AS tbl, t.id AS row_key, t.id AS task_id,
  'task ' || t.id || ' is of session ' || t.session_id || ', which doesn''t exist' AS what
FROM tasks AS t LEFT JOIN sessions AS s ON s.id = t.session_id
WHERE t.session_id IS NOT NULL AND s.id IS NULL LIMIT :limit;

-- name: check_attempt_worker_gone
SELECT 'workers' AS tbl, a.worker_id AS row_key, NULL AS task_id,
  'worker ' || a.worker_id || ' ran attempts, as ' || min(a.task_id || '/' || a.number)
  || ', and doesn''t exist' AS what
FROM attempts AS a JOIN tasks AS t ON t.id = a.task_id
LEFT JOIN workers AS w ON w.id = a.worker_id
WHERE w.id IS NULL GROUP BY a.worker_id LIMIT :limit;

-- name: check_landing_worker_gone
SELECT 'landings' AS tbl, l.id AS row_key, l.task_id,
  'landing ' || l.id || ' names worker ' || l.worker_id || ', which doesn''t exist' AS what
FROM landings AS l LEFT JOIN workers AS w ON w.id = l.worker_id
WHERE l.worker_id IS NOT NULL AND w.id IS NULL LIMIT :limit;

-- name: check_unknown_source
SELECT 'tasks' AS tbl, id AS row_key, id AS task_id,
  'task ' || id || ' has the unknown source ' || source AS what
FROM tasks WHERE source NOT IN ('human', 'agent_requirements', 'agent_planner',
  'agent_implementation') LIMIT :limit;

-- name: check_unknown_outcome
SELECT 'attempts' AS tbl, task_id || '/' || number AS row_key, task_id,
  'attempt ' || task_id || '/' || number || ' has the unknown outcome ' || outcome AS what
FROM attempts WHERE outcome NOT IN ('succeeded', 'failed', 'timed_out', 'silent', 'rate_limited',
  'cancelled', 'released', 'lost') LIMIT :limit;

-- Edges between tasks that can still wait; a cycle among them is found by walking.
-- name: waiting_edges
SELECT d.prerequisite_task_id AS prerequisite, d.dependent_task_id AS dependent
FROM task_dependencies AS d
JOIN tasks AS t ON t.id = d.dependent_task_id
JOIN tasks AS p ON p.id = d.prerequisite_task_id
WHERE t.status NOT IN ('completed', 'failed', 'cancelled') AND p.status <> 'completed'
ORDER BY d.dependent_task_id, d.prerequisite_task_id;
