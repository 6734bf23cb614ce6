-- name: attempts_get:locked
SELECT * FROM attempts WHERE task_id = :task_id AND number = :number FOR NO KEY UPDATE;

-- name: attempts_ahead_of_time
SELECT a.* FROM json_to_recordset(:keys::json) AS k (task_id TEXT, number BIGINT)
JOIN attempts AS a USING (task_id, number);

-- name: attempts_ahead_of_time:locked
SELECT a.* FROM json_to_recordset(:keys::json) AS k (task_id TEXT, number BIGINT)
JOIN attempts AS a USING (task_id, number)
ORDER BY a.task_id, a.number
FOR NO KEY UPDATE OF a SKIP LOCKED;

-- name: attempts_unended
SELECT * FROM attempts
WHERE ended_at IS NULL AND (:worker_id::text IS NULL OR worker_id = :worker_id)
ORDER BY task_id, number;
