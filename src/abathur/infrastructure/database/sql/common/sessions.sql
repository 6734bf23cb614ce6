-- name: sessions_insert
INSERT INTO sessions (
  id, app_name, user_id, project_id, status, state, metadata, created_at, last_update_time
) VALUES (
  :id, :app_name, :user_id, :project_id, :status, '{}', :metadata, :created_at, :last_update_time
);

-- name: sessions_get
SELECT * FROM sessions WHERE id = :id;

-- name: sessions_by_prefix
SELECT id FROM sessions WHERE id >= :low AND id < :high ORDER BY id LIMIT :limit;

-- name: sessions_select
SELECT * FROM sessions
WHERE (:status IS NULL OR status = :status)
  AND (:user_id IS NULL OR user_id = :user_id)
  AND (:project_id IS NULL OR project_id = :project_id)
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- name: sessions_touch
UPDATE sessions SET last_update_time = :now,
  status = CASE WHEN status = 'created' THEN 'active' ELSE status END
WHERE id = :id AND status NOT IN ('terminated', 'archived');

-- name: sessions_archive
UPDATE sessions SET status = 'archived', archived_at = :now, last_update_time = :now
WHERE id = :id AND status <> 'archived';

-- name: session_events_last
SELECT coalesce(max(sequence), 0) AS n FROM session_events WHERE session_id = :session_id;

-- name: session_events_insert
INSERT INTO session_events (session_id, sequence, at, event)
VALUES (:session_id, :sequence, :at, :event);

-- name: session_events_of
SELECT sequence, at, event FROM session_events
WHERE session_id = :session_id AND sequence > :after ORDER BY sequence LIMIT :limit;

-- name: session_state_get
SELECT value FROM session_state WHERE scope = :scope AND owner = :owner AND key = :key;

-- name: session_state_of
SELECT key, value FROM session_state WHERE scope = :scope AND owner = :owner ORDER BY key;

-- name: session_state_set
INSERT INTO session_state (scope, owner, key, value, updated_at)
VALUES (:scope, :owner, :key, :value, :updated_at)
ON CONFLICT (scope, owner, key) DO UPDATE SET
  value = excluded.value, updated_at = excluded.updated_at;

-- name: session_state_drop
DELETE FROM session_state WHERE scope = :scope AND owner = :owner;

-- name: session_tasks_link
UPDATE tasks SET session_id = :session_id WHERE id = :task_id;

-- name: session_tasks
SELECT t.id, t.summary, t.status, a.number, a.transcript_path
FROM tasks AS t LEFT JOIN attempts AS a ON a.task_id = t.id
WHERE t.session_id = :session_id ORDER BY t.id, a.number;
