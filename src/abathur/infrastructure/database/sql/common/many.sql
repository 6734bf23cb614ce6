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
