-- name: schedules_get:locked
SELECT * FROM schedules WHERE id = :id FOR UPDATE;

-- name: schedules_by_name:locked
SELECT * FROM schedules WHERE name = :name FOR UPDATE;
