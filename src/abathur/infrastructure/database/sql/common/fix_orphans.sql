-- What `check_orphans.sql` finds is removed, if it still is as it was found; see `fix.sql`.

-- name: fix_orphan_loop
DELETE FROM loops
WHERE task_id = :row_key AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = loops.task_id);

-- name: fix_orphan_iteration
DELETE FROM iterations
WHERE task_id = :task_id AND task_id || '/' || number = :row_key
  AND NOT EXISTS (SELECT 1 FROM loops AS l WHERE l.task_id = :task_id);

-- name: fix_orphan_late_report
DELETE FROM late_reports
WHERE task_id = :task_id AND task_id || '/' || attempt || '/' || fence = :row_key
  AND NOT EXISTS (SELECT 1 FROM attempts AS a
    WHERE a.task_id = :task_id AND a.number = late_reports.attempt);

-- name: fix_orphan_path
DELETE FROM task_paths
WHERE task_id = :task_id AND task_id || '/' || pattern = :row_key
  AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id);

-- name: fix_orphan_overlap
DELETE FROM path_overlaps
WHERE task_id = :task_id AND task_id || '/' || attempt || '/' || other_task_id = :row_key
  AND NOT (EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = :task_id)
    AND EXISTS (SELECT 1 FROM tasks AS u WHERE u.id = path_overlaps.other_task_id));

-- name: fix_orphan_gate_run
DELETE FROM gate_runs
WHERE CAST(id AS TEXT) = :row_key
  AND NOT EXISTS (SELECT 1 FROM landings AS l WHERE l.id = gate_runs.landing_id);

-- name: fix_orphan_memory_use
DELETE FROM memory_uses
WHERE memory_id || '/' || task_id = :row_key
  AND NOT EXISTS (SELECT 1 FROM memories AS m WHERE m.id = memory_uses.memory_id);

-- name: fix_orphan_session_event
DELETE FROM session_events
WHERE session_id || '/' || sequence = :row_key
  AND NOT EXISTS (SELECT 1 FROM sessions AS s WHERE s.id = session_events.session_id);

-- name: fix_schedule_task_gone
UPDATE schedules SET last_task_id = NULL
WHERE id = :row_key
  AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = schedules.last_task_id);

-- name: fix_agent_session_gone
UPDATE agents SET session_id = NULL
WHERE id = :row_key
  AND NOT EXISTS (SELECT 1 FROM sessions AS s WHERE s.id = agents.session_id);

-- name: fix_checkpoint_session_gone
UPDATE checkpoints SET session_id = NULL
WHERE task_id = :task_id AND task_id || '/' || iteration = :row_key
  AND NOT EXISTS (SELECT 1 FROM sessions AS s WHERE s.id = checkpoints.session_id);

-- name: fix_orphan_passage
DELETE FROM passages
WHERE id = CAST(:row_key AS BIGINT)
  AND (memory_id IS NULL OR NOT EXISTS (SELECT 1 FROM memories AS m WHERE m.id = memory_id))
  AND (document_id IS NULL
    OR NOT EXISTS (SELECT 1 FROM document_index AS d WHERE d.id = document_id));

-- name: fix_orphan_vector
DELETE FROM vectors
WHERE passage_id = CAST(:row_key AS BIGINT)
  AND NOT EXISTS (SELECT 1 FROM passages AS p WHERE p.id = vectors.passage_id);

-- What the rows hold before they are removed.

-- name: row_of_schedules
SELECT * FROM schedules WHERE id = :row_key;

-- name: row_of_loops
SELECT * FROM loops WHERE task_id = :row_key;

-- name: row_of_iterations
SELECT * FROM iterations WHERE task_id = :task_id AND task_id || '/' || number = :row_key;

-- name: row_of_late_reports
SELECT * FROM late_reports
WHERE task_id = :task_id AND task_id || '/' || attempt || '/' || fence = :row_key;

-- name: row_of_task_paths
SELECT * FROM task_paths WHERE task_id = :task_id AND task_id || '/' || pattern = :row_key;

-- name: row_of_path_overlaps
SELECT * FROM path_overlaps
WHERE task_id = :task_id AND task_id || '/' || attempt || '/' || other_task_id = :row_key;

-- name: row_of_gate_runs
SELECT * FROM gate_runs WHERE CAST(id AS TEXT) = :row_key;

-- name: row_of_memory_uses
SELECT * FROM memory_uses WHERE memory_id || '/' || task_id = :row_key;

-- name: row_of_session_events
SELECT * FROM session_events WHERE session_id || '/' || sequence = :row_key;

-- name: row_of_passages
SELECT * FROM passages WHERE id = CAST(:row_key AS BIGINT);

-- name: row_of_vectors
SELECT passage_id, model, dimension FROM vectors WHERE passage_id = CAST(:row_key AS BIGINT);
