-- Texts that SQLite takes for a column without looking at them. Times have one form, because they
-- are compared as texts.

-- name: check_time_in_tasks
SELECT 'tasks' AS tbl, CAST(id AS TEXT) AS row_key, id AS task_id,
  'row ' || id || ' of tasks holds a time that can''t be read' AS what
FROM tasks
WHERE deadline NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    deadline IS NOT NULL AND julianday(deadline) IS NULL)
  OR submitted_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    submitted_at IS NOT NULL AND julianday(submitted_at) IS NULL)
  OR started_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    started_at IS NOT NULL AND julianday(started_at) IS NULL)
  OR completed_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    completed_at IS NOT NULL AND julianday(completed_at) IS NULL)
  OR last_updated_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    last_updated_at IS NOT NULL AND julianday(last_updated_at) IS NULL)
  OR not_before NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    not_before IS NOT NULL AND julianday(not_before) IS NULL)
  OR lease_until NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    lease_until IS NOT NULL AND julianday(lease_until) IS NULL)
LIMIT :limit;

-- name: check_time_in_attempts
SELECT 'attempts' AS tbl, task_id || '/' || number AS row_key, task_id,
  'row ' || task_id || '/' || number || ' of attempts holds a time that can''t be read' AS what
FROM attempts
WHERE lease_until NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    lease_until IS NOT NULL AND julianday(lease_until) IS NULL)
  OR started_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    started_at IS NOT NULL AND julianday(started_at) IS NULL)
  OR ended_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    ended_at IS NOT NULL AND julianday(ended_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_landings
SELECT 'landings' AS tbl, CAST(id AS TEXT) AS row_key, task_id,
  'row ' || id || ' of landings holds a time that can''t be read' AS what
FROM landings
WHERE lease_until NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    lease_until IS NOT NULL AND julianday(lease_until) IS NULL)
  OR requested_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    requested_at IS NOT NULL AND julianday(requested_at) IS NULL)
  OR started_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    started_at IS NOT NULL AND julianday(started_at) IS NULL)
  OR ended_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    ended_at IS NOT NULL AND julianday(ended_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_reviews
SELECT 'reviews' AS tbl, CAST(id AS TEXT) AS row_key, task_id,
  'row ' || id || ' of reviews holds a time that can''t be read' AS what
FROM reviews
WHERE asked_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    asked_at IS NOT NULL AND julianday(asked_at) IS NULL)
  OR decided_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    decided_at IS NOT NULL AND julianday(decided_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_schedules
SELECT 'schedules' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of schedules holds a time that can''t be read' AS what
FROM schedules
WHERE next_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    next_at IS NOT NULL AND julianday(next_at) IS NULL)
  OR last_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    last_at IS NOT NULL AND julianday(last_at) IS NULL)
  OR paused_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    paused_at IS NOT NULL AND julianday(paused_at) IS NULL)
  OR created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_workers
SELECT 'workers' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of workers holds a time that can''t be read' AS what
FROM workers
WHERE started_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    started_at IS NOT NULL AND julianday(started_at) IS NULL)
  OR heartbeat_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    heartbeat_at IS NOT NULL AND julianday(heartbeat_at) IS NULL)
  OR lease_until NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    lease_until IS NOT NULL AND julianday(lease_until) IS NULL)
  OR stop_requested_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    stop_requested_at IS NOT NULL AND julianday(stop_requested_at) IS NULL)
  OR stopped_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    stopped_at IS NOT NULL AND julianday(stopped_at) IS NULL)
LIMIT :limit;

-- An entry that an older version wrote is never changed, so any form that can be read will do.
-- name: check_time_in_audit
SELECT 'audit' AS tbl, CAST(id AS TEXT) AS row_key, task_id,
  'row ' || id || ' of audit holds a time that can''t be read' AS what
FROM audit
WHERE julianday(timestamp) IS NULL
LIMIT :limit;

-- name: check_time_in_run_events
SELECT 'run_events' AS tbl,
  task_id || '/' || attempt || '/' || sequence AS row_key, task_id,
  'row ' || task_id || '/' || attempt || '/' || sequence
  || ' of run_events holds a time that can''t be read' AS what
FROM run_events
WHERE at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    at IS NOT NULL AND julianday(at) IS NULL)
LIMIT :limit;

-- name: check_json_in_tasks
SELECT 'tasks' AS tbl, CAST(id AS TEXT) AS row_key, id AS task_id,
  'row ' || id || ' of tasks holds JSON that can''t be read' AS what
FROM tasks
WHERE (nullif(input_data, '') IS NOT NULL AND NOT json_valid(input_data))
  OR (nullif(result_data, '') IS NOT NULL AND NOT json_valid(result_data))
LIMIT :limit;

-- name: check_json_in_attempts
SELECT 'attempts' AS tbl, task_id || '/' || number AS row_key, task_id,
  'row ' || task_id || '/' || number || ' of attempts holds JSON that can''t be read' AS what
FROM attempts
WHERE (nullif(usage, '') IS NOT NULL AND NOT json_valid(usage))
  OR (nullif(feedback, '') IS NOT NULL AND NOT json_valid(feedback))
  OR (nullif(result, '') IS NOT NULL AND NOT json_valid(result))
LIMIT :limit;

-- name: check_json_in_landings
SELECT 'landings' AS tbl, CAST(id AS TEXT) AS row_key, task_id,
  'row ' || id || ' of landings holds JSON that can''t be read' AS what
FROM landings
WHERE (nullif(proof, '') IS NOT NULL AND NOT json_valid(proof))
  OR (nullif(facts, '') IS NOT NULL AND NOT json_valid(facts))
LIMIT :limit;

-- name: check_json_in_audit
SELECT 'audit' AS tbl, CAST(id AS TEXT) AS row_key, task_id,
  'row ' || id || ' of audit holds JSON that can''t be read' AS what
FROM audit
WHERE (nullif(action_data, '') IS NOT NULL AND NOT json_valid(action_data))
LIMIT :limit;

-- name: check_json_in_run_events
SELECT 'run_events' AS tbl,
  task_id || '/' || attempt || '/' || sequence AS row_key, task_id,
  'row ' || task_id || '/' || attempt || '/' || sequence
  || ' of run_events holds JSON that can''t be read' AS what
FROM run_events
WHERE (nullif(data, '') IS NOT NULL AND NOT json_valid(data))
LIMIT :limit;

-- The ids of the trail have no gaps: AUTOINCREMENT never gives one again, and a transaction that is
-- rolled back gives none away.
-- name: check_audit_gap
SELECT 'audit' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'entries ' || (before + 1) || ' to ' || (id - 1) || ' of the audit trail are missing' AS what
FROM (SELECT id, coalesce(lag(id) OVER (ORDER BY id), 0) AS before FROM audit)
WHERE id > before + 1 LIMIT :limit;

-- name: check_audit_end
SELECT 'audit' AS tbl, CAST(seq AS TEXT) AS row_key, NULL AS task_id,
  'the audit trail ends with entry ' || coalesce((SELECT max(id) FROM audit), 0) || ', but '
  || seq || ' were written' AS what
FROM sqlite_sequence
WHERE name = 'audit' AND seq > coalesce((SELECT max(id) FROM audit), 0) LIMIT :limit;

-- The index of words has a row for each passage.
-- name: check_passage_words
SELECT 'passage_words_docsize' AS tbl, CAST(p.id AS TEXT) AS row_key, NULL AS task_id,
  'passage ' || p.id || ' isn''t in the index of words' AS what
FROM passages AS p LEFT JOIN passage_words_docsize AS w ON w.id = p.id WHERE w.id IS NULL
UNION ALL
SELECT 'passage_words_docsize', CAST(w.id AS TEXT), NULL,
  'the index of words knows passage ' || w.id || ', which doesn''t exist'
FROM passage_words_docsize AS w LEFT JOIN passages AS p ON p.id = w.id WHERE p.id IS NULL
LIMIT :limit;

-- The whole index is made anew, if this passage is wrong in it still.
-- name: fix_passage_words
INSERT INTO passage_words (passage_words)
SELECT 'rebuild' WHERE EXISTS (
  SELECT 1 FROM passages AS p WHERE p.id = CAST(:row_key AS INTEGER)
) <> EXISTS (SELECT 1 FROM passage_words_docsize AS w WHERE w.id = CAST(:row_key AS INTEGER));

-- name: row_of_passage_words_docsize
SELECT CAST(:row_key AS INTEGER) AS passage, EXISTS (
  SELECT 1 FROM passage_words_docsize AS w WHERE w.id = CAST(:row_key AS INTEGER)) AS indexed;
