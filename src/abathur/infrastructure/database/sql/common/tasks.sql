-- name: tasks_insert
INSERT INTO tasks (
  id, summary, prompt, agent_type, priority, status, source, parent_task_id, deadline,
  estimated_duration_seconds, max_retries, max_execution_timeout_seconds, input_data, result_data,
  error_message, feature_branch, task_branch, worktree_path, idempotency_key, created_by,
  submitted_at, started_at, completed_at, last_updated_at, not_before, dependency_depth,
  unmet_count, rank, fence, worker_id, lease_until, attempt_count, retry_count, rework_count,
  lost_count, cancelled_by
) VALUES (
  :id, :summary, :prompt, :agent_type, :priority, :status, :source, :parent_task_id, :deadline,
  :estimated_duration_seconds, :max_retries, :max_execution_timeout_seconds, :input_data,
  :result_data, :error_message, :feature_branch, :task_branch, :worktree_path, :idempotency_key,
  :created_by, :submitted_at, :started_at, :completed_at, :last_updated_at, :not_before,
  :dependency_depth, :unmet_count, :rank, :fence, :worker_id, :lease_until, :attempt_count,
  :retry_count, :rework_count, :lost_count, :cancelled_by
);

-- name: tasks_get
SELECT t.*,
  (SELECT json_group_array(prerequisite_task_id) FROM task_dependencies
   WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t WHERE t.id = :id;

-- name: tasks_get_many
SELECT t.*,
  (SELECT json_group_array(prerequisite_task_id) FROM task_dependencies
   WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t WHERE t.id IN (SELECT value FROM json_each(:ids));

-- name: tasks_ahead_of_time
SELECT t.*,
  (SELECT json_group_array(prerequisite_task_id) FROM task_dependencies
   WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t WHERE t.id IN (SELECT value->>'id' FROM json_each(:keys));

-- name: tasks_by_keys
SELECT id, idempotency_key FROM tasks
WHERE idempotency_key IN (SELECT value FROM json_each(:keys));

-- name: tasks_by_key
SELECT id FROM tasks WHERE idempotency_key = :idempotency_key;

-- The upper end of the range is the prefix followed by a character above all that occur in ids.
-- name: tasks_by_prefix
SELECT id FROM tasks WHERE id >= :low AND id < :high ORDER BY id LIMIT :limit;

-- name: tasks_select
SELECT t.*,
  (SELECT json_group_array(prerequisite_task_id) FROM task_dependencies
   WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t
WHERE t.id > coalesce(:after_id, '')
  AND (:status IS NULL OR t.status = :status)
  AND (:exclude_status IS NULL OR t.status <> :exclude_status)
  AND (:agent_type IS NULL OR t.agent_type = :agent_type)
  AND (:source IS NULL OR t.source = :source)
  AND (:feature_branch IS NULL OR t.feature_branch = :feature_branch)
  AND (:parent_task_id IS NULL OR t.parent_task_id = :parent_task_id)
  AND (:text IS NULL OR t.summary LIKE :text ESCAPE '\' OR t.prompt LIKE :text ESCAPE '\')
ORDER BY t.id LIMIT :limit;

-- The same for one status, so that its index serves.
-- name: tasks_select_status
SELECT t.*,
  (SELECT json_group_array(prerequisite_task_id) FROM task_dependencies
   WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t
WHERE t.status = :status AND t.id > coalesce(:after_id, '')
  AND (:exclude_status IS NULL OR t.status <> :exclude_status)
  AND (:agent_type IS NULL OR t.agent_type = :agent_type)
  AND (:source IS NULL OR t.source = :source)
  AND (:feature_branch IS NULL OR t.feature_branch = :feature_branch)
  AND (:parent_task_id IS NULL OR t.parent_task_id = :parent_task_id)
  AND (:text IS NULL OR t.summary LIKE :text ESCAPE '\' OR t.prompt LIKE :text ESCAPE '\')
ORDER BY t.id LIMIT :limit;

-- name: tasks_save
UPDATE tasks SET
  status = :status, priority = :priority, result_data = :result_data,
  error_message = :error_message, task_branch = :task_branch, worktree_path = :worktree_path,
  started_at = :started_at, completed_at = :completed_at, last_updated_at = :last_updated_at,
  not_before = :not_before, dependency_depth = :dependency_depth, unmet_count = :unmet_count,
  rank = :rank, fence = :fence, worker_id = :worker_id, lease_until = :lease_until,
  attempt_count = :attempt_count, retry_count = :retry_count, rework_count = :rework_count,
  lost_count = :lost_count, cancelled_by = :cancelled_by
WHERE id = :id AND fence = :expected_fence;

-- Claims nothing while anything restricts claiming, or a time has come that makes more tasks ready:
-- so that this is seen costs no further statement.
-- name: tasks_claim
UPDATE tasks SET
  status = 'running', worker_id = :worker_id, lease_until = :lease_until, fence = fence + 1,
  attempt_count = attempt_count + 1, started_at = coalesce(started_at, :now),
  last_updated_at = :now, error_message = NULL
WHERE id IN (
  SELECT id FROM tasks
  WHERE status = 'ready'
    AND NOT EXISTS (SELECT 1 FROM holds WHERE hold_until IS NULL OR hold_until > :now)
    AND NOT EXISTS (SELECT 1 FROM pools WHERE exhausted_until IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM budgets)
    AND NOT EXISTS (SELECT 1 FROM task_paths)
    AND NOT EXISTS (SELECT 1 FROM tasks WHERE status = 'pending' AND not_before <= :now)
  ORDER BY rank, id LIMIT :limit
)
RETURNING *;

-- name: tasks_claim_these
UPDATE tasks SET
  status = 'running', worker_id = :worker_id, lease_until = :lease_until, fence = fence + 1,
  attempt_count = attempt_count + 1, started_at = coalesce(started_at, :now),
  last_updated_at = :now, error_message = NULL
WHERE status = 'ready' AND id IN (SELECT value FROM json_each(:ids))
RETURNING *;

-- name: tasks_rerank
UPDATE tasks SET rank = :rank WHERE id = :id;

-- name: tasks_renew
UPDATE tasks SET lease_until = max(lease_until, :lease_until)
WHERE worker_id = :worker_id AND status = 'running'
RETURNING id, fence;

-- Sorted by the store: an order asked for here would choose another index.
-- name: tasks_held
SELECT * FROM tasks WHERE worker_id = :worker_id AND status = 'running';

-- name: tasks_expired
SELECT * FROM tasks
WHERE status = 'running' AND worker_id IS NOT NULL AND lease_until <= :now ORDER BY id;

-- name: tasks_due
SELECT * FROM tasks WHERE status = 'pending' AND not_before <= :now ORDER BY rank, id LIMIT 500;

-- name: tasks_any_ready
SELECT 1 AS yes FROM tasks WHERE status = 'ready' LIMIT 1;

-- name: tasks_any_running
SELECT 1 AS yes FROM tasks AS t
WHERE t.status = 'running' AND (t.worker_id IS NOT NULL OR NOT EXISTS (
  SELECT 1 FROM reviews AS r
  WHERE r.task_id = t.id AND r.state = 'open' AND r.kind = 'landing'))
LIMIT 1;

-- name: tasks_any_backing_off
SELECT 1 AS yes FROM tasks
WHERE status = 'pending' AND not_before IS NOT NULL AND attempt_count > 0 LIMIT 1;

-- name: tasks_next_due
SELECT min(not_before) AS at FROM tasks WHERE status = 'pending';

-- name: tasks_counts
SELECT status, count(*) AS n FROM tasks GROUP BY status;

-- name: tasks_ahead
SELECT count(*) AS n FROM tasks WHERE status = 'ready' AND (rank, id) < (:rank, :id);

-- name: edges_insert
INSERT INTO task_dependencies (prerequisite_task_id, dependent_task_id, created_at, resolved_at)
VALUES (:prerequisite, :dependent, :created_at,
  (SELECT completed_at FROM tasks WHERE id = :prerequisite AND status = 'completed'));

-- name: edges_delete
DELETE FROM task_dependencies
WHERE dependent_task_id = :dependent AND prerequisite_task_id = :prerequisite;

-- name: edges_dependents
SELECT t.* FROM task_dependencies AS d JOIN tasks AS t ON t.id = d.dependent_task_id
WHERE d.prerequisite_task_id = :id ORDER BY t.id;

-- name: edges_unmet
SELECT t.* FROM task_dependencies AS d JOIN tasks AS t ON t.id = d.prerequisite_task_id
WHERE d.dependent_task_id = :id AND t.status <> 'completed' ORDER BY t.id;

-- name: edges_resolve
UPDATE task_dependencies SET resolved_at = :now
WHERE prerequisite_task_id = :id AND resolved_at IS NULL;

-- name: edges_count_down
UPDATE tasks SET unmet_count = unmet_count - 1, last_updated_at = :now
WHERE id IN (
  SELECT dependent_task_id FROM task_dependencies
  WHERE prerequisite_task_id = :id AND resolved_at IS NULL
)
RETURNING *;

-- What the end of a task changes besides: for most tasks nothing.
-- name: tasks_at_end
SELECT
  EXISTS (SELECT 1 FROM reviews WHERE task_id = :id AND state = 'open') AS asked,
  EXISTS (
    SELECT 1 FROM task_dependencies
    WHERE prerequisite_task_id = :id AND resolved_at IS NULL) AS awaited;

-- name: edges_all
SELECT prerequisite_task_id AS prerequisite, dependent_task_id AS dependent
FROM task_dependencies ORDER BY dependent_task_id, prerequisite_task_id;

-- name: edges_among
SELECT prerequisite_task_id AS prerequisite, dependent_task_id AS dependent
FROM task_dependencies
WHERE dependent_task_id IN (SELECT value FROM json_each(:ids))
  AND prerequisite_task_id IN (SELECT value FROM json_each(:ids))
ORDER BY dependent_task_id, prerequisite_task_id;

-- name: edges_dependent_count
SELECT count(*) AS n FROM task_dependencies AS d JOIN tasks AS t ON t.id = d.dependent_task_id
WHERE d.prerequisite_task_id = :id AND t.status NOT IN ('completed', 'failed', 'cancelled');

-- name: ends_ahead_of_time
SELECT DISTINCT task_id FROM reviews
WHERE task_id IN (SELECT value FROM json_each(:keys)) AND state = 'open'
UNION
SELECT DISTINCT prerequisite_task_id FROM task_dependencies
WHERE prerequisite_task_id IN (SELECT value FROM json_each(:keys)) AND resolved_at IS NULL;
