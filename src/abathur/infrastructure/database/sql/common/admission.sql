-- Everything that the database holds against claiming, in one statement.
-- name: admission_restrictions
SELECT 'hold' AS kind, id, scope, name, cause, reason, hold_until, created_by, created_at
FROM holds WHERE hold_until IS NULL OR hold_until > :now
UNION ALL
SELECT 'pool', provider || '/' || account, '', '',
  max(CASE WHEN limit_window IN ('network', 'server') THEN '' ELSE limit_window END), '',
  max(exhausted_until), '', ''
FROM pools WHERE exhausted_until IS NOT NULL GROUP BY provider, account
UNION ALL
SELECT 'budgets', '', '', '', '', '', NULL, '', '' WHERE EXISTS (SELECT 1 FROM budgets)
UNION ALL
SELECT 'paths', '', '', '', '', '', NULL, '', '' WHERE EXISTS (SELECT 1 FROM task_paths);

-- For engines on which several claim at once: who counts has to see whom others have claimed.
-- name: admission_turn
SELECT 1 AS turn;

-- Running tasks as admission sees them, once for each agent at work. While its work is landing a
-- task has no worker.
-- name: admission_running
SELECT t.id, t.rank, t.agent_type, t.feature_branch AS target, w.host,
  (SELECT json_group_array(pattern) FROM task_paths WHERE task_id = t.id) AS touches
FROM tasks AS t LEFT JOIN workers AS w ON w.id = t.worker_id
LEFT JOIN attempts AS a ON a.task_id = t.id AND a.fence = t.fence AND a.ended_at IS NULL
WHERE t.status = 'running';

-- The next ready tasks in the order of claiming, without those that are known to be refused.
-- name: admission_candidates
SELECT t.id, t.rank, t.agent_type, t.feature_branch AS target,
  (SELECT json_group_array(pattern) FROM task_paths WHERE task_id = t.id) AS touches,
  (SELECT max(may_overlap) FROM task_paths WHERE task_id = t.id) AS may_overlap
FROM tasks AS t
WHERE t.status = 'ready' AND (t.rank, t.id) > (:rank, :id)
  AND t.agent_type NOT IN (SELECT value FROM json_each(:agent_types))
  AND coalesce(t.feature_branch, '') NOT IN (SELECT value FROM json_each(:targets))
  AND t.id NOT IN (SELECT value FROM json_each(:tasks))
  AND (:any_patterns = 0 OR NOT EXISTS (
    SELECT 1 FROM task_paths AS p
    WHERE p.task_id = t.id AND p.may_overlap = 0
      AND p.pattern IN (SELECT value FROM json_each(:patterns))))
ORDER BY t.rank, t.id LIMIT :limit;

-- name: holds_all
SELECT * FROM holds ORDER BY created_at, id;

-- name: holds_put
INSERT INTO holds (id, scope, name, cause, reason, hold_until, created_by, created_at)
VALUES (:id, :scope, :name, :cause, :reason, :hold_until, :created_by, :created_at)
ON CONFLICT (scope, name, cause) DO UPDATE SET
  id = excluded.id, reason = excluded.reason, hold_until = excluded.hold_until,
  created_by = excluded.created_by, created_at = excluded.created_at;

-- name: holds_end
DELETE FROM holds
WHERE scope = :scope AND name = :name AND (:cause IS NULL OR cause = :cause)
RETURNING *;

-- When something that restricts claiming ends by itself.
-- name: admission_next_end
SELECT min(at) AS at FROM (
  SELECT min(hold_until) AS at FROM holds WHERE hold_until > :now
  UNION ALL
  SELECT min(exhausted_until) FROM pools WHERE exhausted_until > :now
) AS ends;

-- name: paths_insert
INSERT INTO task_paths (task_id, pattern, may_overlap) VALUES (:task_id, :pattern, :may_overlap);

-- name: overlaps_insert
INSERT INTO path_overlaps (task_id, attempt, other_task_id, paths, found_at)
VALUES (:task_id, :attempt, :other_task_id, :paths, :found_at)
ON CONFLICT (task_id, attempt, other_task_id) DO NOTHING;

-- name: overlaps_of
SELECT * FROM path_overlaps WHERE task_id = :task_id OR other_task_id = :task_id
ORDER BY found_at, task_id, other_task_id;

-- name: paths_of
SELECT pattern, may_overlap FROM task_paths WHERE task_id = :task_id ORDER BY pattern;
