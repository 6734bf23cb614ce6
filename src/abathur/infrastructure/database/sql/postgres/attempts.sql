-- name: attempts_get:locked
SELECT * FROM attempts WHERE task_id = :task_id AND number = :number FOR NO KEY UPDATE;

-- name: attempts_unended
SELECT * FROM attempts
WHERE ended_at IS NULL AND (:worker_id::text IS NULL OR worker_id = :worker_id)
ORDER BY task_id, number;
