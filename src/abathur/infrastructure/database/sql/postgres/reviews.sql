-- The task first, as everybody else does: then nobody waits for one who waits for him.
-- name: reviews_get:locked
WITH its_task AS (
  SELECT id FROM tasks WHERE id = (SELECT task_id FROM reviews WHERE id = :id) FOR NO KEY UPDATE
)
SELECT r.* FROM reviews AS r, its_task
WHERE r.id = :id AND r.task_id = its_task.id
FOR NO KEY UPDATE OF r;

-- name: reviews_of_task:locked
SELECT * FROM reviews WHERE task_id = :task_id ORDER BY id FOR NO KEY UPDATE;
