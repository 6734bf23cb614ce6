-- Rows that belong to something that doesn't exist, beyond those of `check.sql`: whoever removes
-- rows by hand, as in a shell of SQLite, leaves them.

-- name: check_orphan_loop
SELECT 'loops' AS tbl, l.task_id AS row_key, l.task_id,
  'the loop of task ' || l.task_id || ' belongs to a task that doesn''t exist' AS what
FROM loops AS l LEFT JOIN tasks AS t ON t.id = l.task_id WHERE t.id IS NULL LIMIT :limit;

-- name: check_orphan_iteration
SELECT 'iterations' AS tbl, i.task_id || '/' || i.number AS row_key, i.task_id,
  'iteration ' || i.task_id || '/' || i.number || ' belongs to a loop that doesn''t exist' AS what
FROM iterations AS i LEFT JOIN loops AS l ON l.task_id = i.task_id
WHERE l.task_id IS NULL LIMIT :limit;

-- name: check_orphan_late_report
SELECT 'late_reports' AS tbl, r.task_id || '/' || r.attempt || '/' || r.fence AS row_key, r.task_id,
  'late report ' || r.task_id || '/' || r.attempt || '/' || r.fence
  || ' belongs to an attempt that doesn''t exist' AS what
FROM late_reports AS r LEFT JOIN attempts AS a ON a.task_id = r.task_id AND a.number = r.attempt
WHERE a.task_id IS NULL LIMIT :limit;

-- name: check_orphan_path
SELECT 'task_paths' AS tbl, p.task_id || '/' || p.pattern AS row_key, p.task_id,
  'path ' || p.pattern || ' belongs to task ' || p.task_id || ', which doesn''t exist' AS what
FROM task_paths AS p LEFT JOIN tasks AS t ON t.id = p.task_id WHERE t.id IS NULL LIMIT :limit;

-- name: check_orphan_overlap
SELECT 'path_overlaps' AS tbl,
  o.task_id || '/' || o.attempt || '/' || o.other_task_id AS row_key, o.task_id,
  'the overlap of tasks ' || o.task_id || ' and ' || o.other_task_id
  || ' names a task that doesn''t exist' AS what
FROM path_overlaps AS o
LEFT JOIN tasks AS t ON t.id = o.task_id LEFT JOIN tasks AS u ON u.id = o.other_task_id
WHERE t.id IS NULL OR u.id IS NULL LIMIT :limit;

-- name: check_orphan_gate_run
SELECT 'gate_runs' AS tbl, CAST(g.id AS TEXT) AS row_key, NULL AS task_id,
  'gate run ' || g.id || ' belongs to landing ' || g.landing_id || ', which doesn''t exist' AS what
FROM gate_runs AS g LEFT JOIN landings AS l ON l.id = g.landing_id
WHERE l.id IS NULL LIMIT :limit;

-- name: check_orphan_memory_use
SELECT 'memory_uses' AS tbl, u.memory_id || '/' || u.task_id AS row_key, NULL AS task_id,
  'task ' || u.task_id || ' used memory ' || u.memory_id || ', which doesn''t exist' AS what
FROM memory_uses AS u LEFT JOIN memories AS m ON m.id = u.memory_id WHERE m.id IS NULL LIMIT :limit;

-- name: check_orphan_session_event
SELECT 'session_events' AS tbl, e.session_id || '/' || e.sequence AS row_key, NULL AS task_id,
  'event ' || e.sequence || ' belongs to session ' || e.session_id
  || ', which doesn''t exist' AS what
FROM session_events AS e LEFT JOIN sessions AS s ON s.id = e.session_id
WHERE s.id IS NULL LIMIT :limit;

-- name: check_schedule_task_gone
SELECT 'schedules' AS tbl, s.id AS row_key, NULL AS task_id,
  'schedule ' || s.name || ' names task ' || s.last_task_id || ', which doesn''t exist' AS what
FROM schedules AS s LEFT JOIN tasks AS t ON t.id = s.last_task_id
WHERE s.last_task_id IS NOT NULL AND t.id IS NULL LIMIT :limit;

-- name: check_agent_session_gone
SELECT 'agents' AS tbl, g.id AS row_key, g.task_id,
  'agent ' || g.id || ' is of session ' || g.session_id || ', which doesn''t exist' AS what
FROM agents AS g LEFT JOIN sessions AS s ON s.id = g.session_id
WHERE g.session_id IS NOT NULL AND s.id IS NULL LIMIT :limit;

-- name: check_checkpoint_session_gone
SELECT 'checkpoints' AS tbl, c.task_id || '/' || c.iteration AS row_key, c.task_id,
  'checkpoint ' || c.task_id || '/' || c.iteration || ' is of session ' || c.session_id
  || ', which doesn''t exist' AS what
FROM checkpoints AS c LEFT JOIN sessions AS s ON s.id = c.session_id
WHERE c.session_id IS NOT NULL AND s.id IS NULL LIMIT :limit;

-- name: check_orphan_passage
SELECT 'passages' AS tbl, CAST(p.id AS TEXT) AS row_key, NULL AS task_id,
  'passage ' || p.id || ' belongs to a memory or document that doesn''t exist' AS what
FROM passages AS p
LEFT JOIN memories AS m ON m.id = p.memory_id
LEFT JOIN document_index AS d ON d.id = p.document_id
WHERE (p.memory_id IS NOT NULL AND m.id IS NULL) OR (p.document_id IS NOT NULL AND d.id IS NULL)
LIMIT :limit;

-- name: check_orphan_vector
SELECT 'vectors' AS tbl, CAST(v.passage_id AS TEXT) AS row_key, NULL AS task_id,
  'a vector belongs to passage ' || v.passage_id || ', which doesn''t exist' AS what
FROM vectors AS v LEFT JOIN passages AS p ON p.id = v.passage_id WHERE p.id IS NULL LIMIT :limit;
