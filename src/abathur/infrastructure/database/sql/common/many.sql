-- Statements for rows of many tasks, which were read in the same transaction: a new row names the
-- fence above the one that is there.

-- name: many_statuses
SELECT id, status FROM tasks WHERE id IN (SELECT value FROM json_each(:ids));

-- name: many_end
UPDATE attempts SET
  ended_at = :ended_at, outcome = :outcome, exit_code = :exit_code,
  error_message = :error_message, usage = :usage, head_commit = :head_commit,
  failure_class = :failure_class, result = :result
WHERE task_id = :task_id AND number = :number;

-- name: many_ask_landings
UPDATE tasks SET
  worker_id = :worker_id, lease_until = :lease_until, fence = :fence, result_data = :result_data,
  lost_count = :lost_count, last_updated_at = :last_updated_at
WHERE id = :id AND fence = :fence - 1;

-- As `landings_claim`, of those that weren't begun: none while there are any that were, for these come
-- first. The doubled condition is that of the index.
-- name: many_landable
SELECT l.* FROM landings AS l
WHERE l.state IN ('queued', 'running') AND l.state = 'queued' AND l.merge_commit IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM landings AS b WHERE b.state = 'queued' AND b.merge_commit IS NOT NULL)
  AND NOT EXISTS (
    SELECT 1 FROM landings AS b
    WHERE b.state = 'running' AND (b.lease_until IS NULL OR b.lease_until <= :now))
  AND NOT EXISTS (
    SELECT 1 FROM landings AS o
    WHERE o.target = l.target AND o.state = 'running' AND o.lease_until > :now)
  AND NOT EXISTS (
    SELECT 1 FROM holds AS h
    WHERE h.scope = 'target' AND h.name = l.target AND h.cause = 'person'
      AND (h.hold_until IS NULL OR h.hold_until > :now))
  AND NOT EXISTS (
    SELECT 1 FROM reviews AS r
    WHERE r.task_id = l.task_id AND r.state = 'open' AND r.attempt = l.attempt
      AND r.kind = 'landing')
ORDER BY l.rank, l.id LIMIT :limit;

-- name: many_land
UPDATE landings SET
  state = :state, worker_id = :worker_id, lease_until = :lease_until, fence = :fence,
  started_at = :started_at, batch = :batch
WHERE id = :id AND fence = :fence - 1;

-- name: many_announce
UPDATE landings SET
  target_before = :target_before, merge_commit = :merge_commit, strategy = :strategy, onto = :onto
WHERE id = :id AND fence = :fence;

-- name: many_end_landings
UPDATE landings SET
  state = :state, ended_at = :ended_at, lease_until = :lease_until, fence = :fence,
  detail = :detail, proof = :proof, facts = :facts, verify_log = :verify_log
WHERE id = :id AND fence = :fence - 1;

-- name: many_complete
UPDATE tasks SET
  status = :status, worker_id = :worker_id, lease_until = :lease_until, fence = :fence,
  completed_at = :completed_at, last_updated_at = :last_updated_at,
  error_message = :error_message
WHERE id = :id AND fence = :fence - 1;
