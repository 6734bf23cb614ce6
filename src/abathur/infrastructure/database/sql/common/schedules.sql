-- name: schedules_insert
INSERT INTO schedules (
  id, name, cron, time_zone, template, missed, overlap, next_at, last_at, last_task_id, paused_at,
  created_by, created_at
) VALUES (
  :id, :name, :cron, :time_zone, :template, :missed, :overlap, :next_at, :last_at, :last_task_id,
  :paused_at, :created_by, :created_at
);

-- name: schedules_save
UPDATE schedules SET
  next_at = :next_at, last_at = :last_at, last_task_id = :last_task_id, paused_at = :paused_at
WHERE id = :id;

-- name: schedules_get
SELECT * FROM schedules WHERE id = :id;

-- name: schedules_by_name
SELECT * FROM schedules WHERE name = :name;

-- name: schedules_all
SELECT * FROM schedules ORDER BY name;

-- By the index of due times, which holds none that is paused.
-- name: schedules_due
SELECT id FROM schedules WHERE next_at <= :now ORDER BY next_at, id;

-- name: schedules_next
SELECT min(next_at) AS at FROM schedules WHERE next_at IS NOT NULL;

-- name: schedules_delete
DELETE FROM schedules WHERE id = :id;
