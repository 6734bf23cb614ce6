-- A name with `:locked` is used by transactions that write: what they read in order to change is
-- theirs until they end. Rows are locked in order of id where one statement takes several.

-- name: tasks_get
SELECT t.*,
  (SELECT json_agg(prerequisite_task_id ORDER BY prerequisite_task_id)::text
   FROM task_dependencies WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t WHERE t.id = :id;

-- name: tasks_get:locked
SELECT t.*,
  (SELECT json_agg(prerequisite_task_id ORDER BY prerequisite_task_id)::text
   FROM task_dependencies WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t WHERE t.id = :id
FOR NO KEY UPDATE OF t;

-- name: tasks_by_keys
SELECT id, idempotency_key FROM tasks
WHERE idempotency_key IN (SELECT json_array_elements_text(:keys::json));

-- name: tasks_get_many
SELECT t.*,
  (SELECT json_agg(prerequisite_task_id ORDER BY prerequisite_task_id)::text
   FROM task_dependencies WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t WHERE t.id IN (SELECT json_array_elements_text(:ids::json));

-- name: tasks_get_many:locked
SELECT t.*,
  (SELECT json_agg(prerequisite_task_id ORDER BY prerequisite_task_id)::text
   FROM task_dependencies WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t WHERE t.id IN (SELECT json_array_elements_text(:ids::json))
ORDER BY t.id
FOR NO KEY UPDATE OF t;

-- What others hold is left out, and waited for by who asks for it.
-- name: tasks_ahead_of_time:locked
SELECT t.*,
  (SELECT json_agg(prerequisite_task_id ORDER BY prerequisite_task_id)::text
   FROM task_dependencies WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t WHERE t.id IN (SELECT value->>'id' FROM json_array_elements(:keys::json))
ORDER BY t.id
FOR NO KEY UPDATE OF t SKIP LOCKED;

-- name: edges_insert:many
INSERT INTO task_dependencies (prerequisite_task_id, dependent_task_id, created_at, resolved_at)
SELECT r.prerequisite, r.dependent, r.created_at,
  (SELECT completed_at FROM tasks WHERE id = r.prerequisite AND status = 'completed')
FROM json_to_recordset(:rows::json) AS r (prerequisite TEXT, dependent TEXT, created_at TEXT);

-- name: tasks_select
SELECT t.*,
  (SELECT json_agg(prerequisite_task_id ORDER BY prerequisite_task_id)::text
   FROM task_dependencies WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t
WHERE (:after_id::text IS NULL OR t.id > :after_id)
  AND (:status::text IS NULL OR t.status = :status)
  AND (:exclude_status::text IS NULL OR t.status <> :exclude_status)
  AND (:agent_type::text IS NULL OR t.agent_type = :agent_type)
  AND (:source::text IS NULL OR t.source = :source)
  AND (:feature_branch::text IS NULL OR t.feature_branch = :feature_branch)
  AND (:parent_task_id::text IS NULL OR t.parent_task_id = :parent_task_id)
  AND (:text::text IS NULL OR t.summary ILIKE :text ESCAPE '\' OR t.prompt ILIKE :text ESCAPE '\')
ORDER BY t.id LIMIT :limit;

-- name: tasks_select_status
SELECT t.*,
  (SELECT json_agg(prerequisite_task_id ORDER BY prerequisite_task_id)::text
   FROM task_dependencies WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t
WHERE t.status = :status AND t.id > coalesce(:after_id, '')
  AND (:exclude_status::text IS NULL OR t.status <> :exclude_status)
  AND (:agent_type::text IS NULL OR t.agent_type = :agent_type)
  AND (:source::text IS NULL OR t.source = :source)
  AND (:feature_branch::text IS NULL OR t.feature_branch = :feature_branch)
  AND (:parent_task_id::text IS NULL OR t.parent_task_id = :parent_task_id)
  AND (:text::text IS NULL OR t.summary ILIKE :text ESCAPE '\' OR t.prompt ILIKE :text ESCAPE '\')
ORDER BY t.id LIMIT :limit;

-- What another claimer is just taking is passed over instead of waited for.
--
-- What is locked is found again by its place: of a join with what is limited by a parameter the server
-- can't tell how few rows it is, and may plan to read the whole table for it. A task that somebody
-- changed since the statement began isn't in its place any more, and passed over too.
--
-- Where nothing is claimed because nothing waits, and not because anything restricts, it says so by a row
-- without an id: asking by statements of their own would hold up all that shares the transaction.
-- name: tasks_claim
WITH claimed AS (
  UPDATE tasks SET
    status = 'running', worker_id = :worker_id, lease_until = :lease_until, fence = fence + 1,
    attempt_count = attempt_count + 1, started_at = coalesce(started_at, :now),
    last_updated_at = :now, error_message = NULL
  WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM tasks
    WHERE status = 'ready'
      AND NOT EXISTS (SELECT 1 FROM holds WHERE hold_until IS NULL OR hold_until > :now)
      AND NOT EXISTS (SELECT 1 FROM pools WHERE exhausted_until IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM budgets)
      AND NOT EXISTS (SELECT 1 FROM task_paths)
      AND NOT EXISTS (SELECT 1 FROM tasks WHERE status = 'pending' AND not_before <= :now)
    ORDER BY rank, id LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
  ))
  RETURNING *
)
SELECT * FROM claimed
UNION ALL
SELECT (nothing.no_task).* FROM (SELECT NULL::tasks AS no_task) AS nothing
WHERE NOT EXISTS (SELECT 1 FROM claimed)
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE status = 'ready')
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE status = 'pending' AND not_before <= :now)
  AND NOT EXISTS (SELECT 1 FROM holds WHERE hold_until IS NULL OR hold_until > :now)
  AND NOT EXISTS (SELECT 1 FROM pools WHERE exhausted_until IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM budgets)
  AND NOT EXISTS (SELECT 1 FROM task_paths);

-- name: tasks_claim_these
WITH taken AS (
  SELECT id FROM tasks
  WHERE status = 'ready' AND id IN (SELECT json_array_elements_text(:ids::json))
  ORDER BY id
  FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tasks AS t SET
  status = 'running', worker_id = :worker_id, lease_until = :lease_until, fence = fence + 1,
  attempt_count = attempt_count + 1, started_at = coalesce(started_at, :now),
  last_updated_at = :now, error_message = NULL
FROM taken WHERE t.id = taken.id
RETURNING t.*;

-- name: tasks_renew
WITH mine AS (
  SELECT id FROM tasks WHERE worker_id = :worker_id AND status = 'running' ORDER BY id
  FOR NO KEY UPDATE
)
UPDATE tasks AS t SET lease_until = greatest(t.lease_until, :lease_until)
FROM mine WHERE t.id = mine.id
RETURNING t.id, t.fence;

-- name: tasks_due:locked
SELECT * FROM tasks WHERE status = 'pending' AND not_before <= :now ORDER BY rank, id LIMIT 500
FOR NO KEY UPDATE SKIP LOCKED;

-- name: tasks_held:locked
SELECT * FROM tasks WHERE worker_id = :worker_id AND status = 'running' ORDER BY id
FOR NO KEY UPDATE;

-- name: edges_dependents:locked
SELECT t.* FROM task_dependencies AS d JOIN tasks AS t ON t.id = d.dependent_task_id
WHERE d.prerequisite_task_id = :id ORDER BY t.id
FOR NO KEY UPDATE OF t;

-- Two prerequisites that finish at once count down one after the other, each from what the other left.
-- name: edges_count_down
WITH waiting AS (
  SELECT id FROM tasks WHERE id IN (
    SELECT dependent_task_id FROM task_dependencies
    WHERE prerequisite_task_id = :id AND resolved_at IS NULL
  )
  ORDER BY id
  FOR NO KEY UPDATE
)
UPDATE tasks AS t SET unmet_count = t.unmet_count - 1, last_updated_at = :now
FROM waiting WHERE t.id = waiting.id
RETURNING t.*;

-- name: edges_among
SELECT prerequisite_task_id AS prerequisite, dependent_task_id AS dependent
FROM task_dependencies
WHERE dependent_task_id IN (SELECT json_array_elements_text(:ids::json))
  AND prerequisite_task_id IN (SELECT json_array_elements_text(:ids::json))
ORDER BY dependent_task_id, prerequisite_task_id;
