-- name: attempts_insert
INSERT INTO attempts (
  task_id, number, fence, worker_id, runtime, model, session_id, branch, worktree_path,
  base_commit, head_commit, salvage_ref, transcript_path, pid, pid_started_at, lease_until,
  started_at, ended_at, outcome, exit_code, error_message, usage, feedback,
  failure_class, definition_version, result, model_choice
) VALUES (
  :task_id, :number, :fence, :worker_id, :runtime, :model, :session_id, :branch, :worktree_path,
  :base_commit, :head_commit, :salvage_ref, :transcript_path, :pid, :pid_started_at, :lease_until,
  :started_at, :ended_at, :outcome, :exit_code, :error_message, :usage, :feedback,
  :failure_class, :definition_version, :result, :model_choice
);

-- name: attempts_save
UPDATE attempts SET
  fence = :fence, worker_id = :worker_id, runtime = :runtime, model = :model,
  session_id = :session_id, branch = :branch, worktree_path = :worktree_path,
  base_commit = :base_commit, head_commit = :head_commit, salvage_ref = :salvage_ref,
  transcript_path = :transcript_path, pid = :pid, pid_started_at = :pid_started_at,
  lease_until = :lease_until, ended_at = :ended_at, outcome = :outcome, exit_code = :exit_code,
  error_message = :error_message, usage = :usage, feedback = :feedback,
  failure_class = :failure_class, definition_version = :definition_version, result = :result,
  model_choice = :model_choice
WHERE task_id = :task_id AND number = :number;

-- name: attempts_get
SELECT * FROM attempts WHERE task_id = :task_id AND number = :number;

-- name: attempts_ahead_of_time
SELECT a.* FROM json_each(:keys) AS k
JOIN attempts AS a ON a.task_id = k.value->>'task_id' AND a.number = k.value->>'number';

-- name: attempts_of_task
SELECT * FROM attempts WHERE task_id = :task_id ORDER BY number;

-- name: attempts_on_branch
SELECT * FROM attempts WHERE branch = :branch ORDER BY started_at DESC LIMIT 1;

-- name: attempts_unended
SELECT * FROM attempts WHERE ended_at IS NULL AND (:worker_id IS NULL OR worker_id = :worker_id)
ORDER BY task_id, number;

-- name: events_insert
INSERT INTO run_events (task_id, attempt, sequence, at, kind, text, data)
VALUES (:task_id, :attempt, :sequence, :at, :kind, :text, :data)
ON CONFLICT DO NOTHING;

-- name: events_of_attempt
SELECT sequence, at, kind, text, data FROM run_events
WHERE task_id = :task_id AND attempt = :attempt AND sequence > :after
ORDER BY sequence LIMIT :limit;

-- name: events_last
SELECT sequence, at, kind, text, data FROM run_events
WHERE task_id = :task_id AND attempt = :attempt ORDER BY sequence DESC LIMIT :limit;

-- name: late_reports_insert
INSERT INTO late_reports (task_id, attempt, fence, worker_id, received_at, report)
VALUES (:task_id, :attempt, :fence, :worker_id, :received_at, :report)
ON CONFLICT DO NOTHING;

-- name: late_reports_of_task
SELECT task_id, attempt, fence, worker_id, received_at, report FROM late_reports
WHERE task_id = :task_id ORDER BY attempt, fence;
