-- name: reviews_insert
INSERT INTO reviews (
  id, task_id, attempt, kind, tree, question, data, state, comment, asked_at, decided_at, decided_by
) VALUES (
  :id, :task_id, :attempt, :kind, :tree, :question, :data, :state, :comment, :asked_at,
  :decided_at, :decided_by
);

-- What was asked never changes. Only an open or an approved review can still become something else.
-- name: reviews_save
UPDATE reviews SET
  data = :data, state = :state, comment = :comment, decided_at = :decided_at,
  decided_by = :decided_by
WHERE id = :id AND state IN ('open', 'approved');

-- name: reviews_get
SELECT * FROM reviews WHERE id = :id;

-- name: reviews_of_task
SELECT * FROM reviews WHERE task_id = :task_id ORDER BY id;

-- name: reviews_open
SELECT * FROM reviews WHERE state = 'open' ORDER BY id;

-- name: reviews_recent
SELECT * FROM reviews ORDER BY id DESC LIMIT :limit;

-- name: reviews_by_prefix
SELECT id FROM reviews WHERE id >= :low AND id < :high ORDER BY id LIMIT :limit;
