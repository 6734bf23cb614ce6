-- Times of the tables beside the queue, as in `check.sql`.

-- name: check_time_in_agents
SELECT 'agents' AS tbl, CAST(id AS TEXT) AS row_key, task_id,
  'row ' || id || ' of agents holds a time that can''t be read' AS what
FROM agents
WHERE spawned_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    spawned_at IS NOT NULL AND julianday(spawned_at) IS NULL)
  OR terminated_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    terminated_at IS NOT NULL AND julianday(terminated_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_checkpoints
SELECT 'checkpoints' AS tbl, task_id || '/' || iteration AS row_key, task_id,
  'row ' || task_id || '/' || iteration
  || ' of checkpoints holds a time that can''t be read' AS what
FROM checkpoints
WHERE created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_costs
SELECT 'costs' AS tbl, task_id || '/' || attempt AS row_key, task_id,
  'row ' || task_id || '/' || attempt || ' of costs holds a time that can''t be read' AS what
FROM costs
WHERE settled_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    settled_at IS NOT NULL AND julianday(settled_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_document_index
SELECT 'document_index' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of document_index holds a time that can''t be read' AS what
FROM document_index
WHERE last_synced_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    last_synced_at IS NOT NULL AND julianday(last_synced_at) IS NULL)
  OR created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
  OR updated_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    updated_at IS NOT NULL AND julianday(updated_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_gate_runs
SELECT 'gate_runs' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of gate_runs holds a time that can''t be read' AS what
FROM gate_runs
WHERE started_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    started_at IS NOT NULL AND julianday(started_at) IS NULL)
  OR ended_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    ended_at IS NOT NULL AND julianday(ended_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_holds
SELECT 'holds' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of holds holds a time that can''t be read' AS what
FROM holds
WHERE hold_until NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    hold_until IS NOT NULL AND julianday(hold_until) IS NULL)
  OR created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_iterations
SELECT 'iterations' AS tbl, task_id || '/' || number AS row_key, task_id,
  'row ' || task_id || '/' || number || ' of iterations holds a time that can''t be read' AS what
FROM iterations
WHERE started_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    started_at IS NOT NULL AND julianday(started_at) IS NULL)
  OR measured_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    measured_at IS NOT NULL AND julianday(measured_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_late_reports
SELECT 'late_reports' AS tbl, task_id || '/' || attempt || '/' || fence AS row_key, task_id,
  'row ' || task_id || '/' || attempt || '/' || fence
  || ' of late_reports holds a time that can''t be read' AS what
FROM late_reports
WHERE received_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    received_at IS NOT NULL AND julianday(received_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_loops
SELECT 'loops' AS tbl, task_id AS row_key, task_id,
  'row ' || task_id || ' of loops holds a time that can''t be read' AS what
FROM loops
WHERE created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_memories
SELECT 'memories' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of memories holds a time that can''t be read' AS what
FROM memories
WHERE created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
  OR updated_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    updated_at IS NOT NULL AND julianday(updated_at) IS NULL)
  OR expires_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    expires_at IS NOT NULL AND julianday(expires_at) IS NULL)
  OR deleted_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    deleted_at IS NOT NULL AND julianday(deleted_at) IS NULL)
  OR last_used_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    last_used_at IS NOT NULL AND julianday(last_used_at) IS NULL)
  OR promoted_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    promoted_at IS NOT NULL AND julianday(promoted_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_memory_entries
SELECT 'memory_entries' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of memory_entries holds a time that can''t be read' AS what
FROM memory_entries
WHERE created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
  OR updated_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    updated_at IS NOT NULL AND julianday(updated_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_memory_uses
SELECT 'memory_uses' AS tbl, memory_id || '/' || task_id AS row_key, NULL AS task_id,
  'row ' || memory_id || '/' || task_id
  || ' of memory_uses holds a time that can''t be read' AS what
FROM memory_uses
WHERE used_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    used_at IS NOT NULL AND julianday(used_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_metrics
SELECT 'metrics' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of metrics holds a time that can''t be read' AS what
FROM metrics
WHERE timestamp NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    timestamp IS NOT NULL AND julianday(timestamp) IS NULL)
LIMIT :limit;

-- name: check_time_in_path_overlaps
SELECT 'path_overlaps' AS tbl,
  task_id || '/' || attempt || '/' || other_task_id AS row_key, task_id,
  'row ' || task_id || '/' || attempt || '/' || other_task_id
  || ' of path_overlaps holds a time that can''t be read' AS what
FROM path_overlaps
WHERE found_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    found_at IS NOT NULL AND julianday(found_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_pools
SELECT 'pools' AS tbl,
  provider || '/' || account || '/' || limit_window AS row_key, NULL AS task_id,
  'row ' || provider || '/' || account || '/' || limit_window
  || ' of pools holds a time that can''t be read' AS what
FROM pools
WHERE exhausted_until NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    exhausted_until IS NOT NULL AND julianday(exhausted_until) IS NULL)
  OR observed_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    observed_at IS NOT NULL AND julianday(observed_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_session_events
SELECT 'session_events' AS tbl, session_id || '/' || sequence AS row_key, NULL AS task_id,
  'row ' || session_id || '/' || sequence
  || ' of session_events holds a time that can''t be read' AS what
FROM session_events
WHERE at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    at IS NOT NULL AND julianday(at) IS NULL)
LIMIT :limit;

-- name: check_time_in_session_state
SELECT 'session_state' AS tbl, scope || '/' || owner || '/' || key AS row_key, NULL AS task_id,
  'row ' || scope || '/' || owner || '/' || key
  || ' of session_state holds a time that can''t be read' AS what
FROM session_state
WHERE updated_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    updated_at IS NOT NULL AND julianday(updated_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_sessions
SELECT 'sessions' AS tbl, CAST(id AS TEXT) AS row_key, NULL AS task_id,
  'row ' || id || ' of sessions holds a time that can''t be read' AS what
FROM sessions
WHERE created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
  OR last_update_time NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    last_update_time IS NOT NULL AND julianday(last_update_time) IS NULL)
  OR terminated_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    terminated_at IS NOT NULL AND julianday(terminated_at) IS NULL)
  OR archived_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    archived_at IS NOT NULL AND julianday(archived_at) IS NULL)
LIMIT :limit;

-- name: check_time_in_task_dependencies
SELECT 'task_dependencies' AS tbl,
  prerequisite_task_id || '/' || dependent_task_id AS row_key, dependent_task_id AS task_id,
  'row ' || prerequisite_task_id || '/' || dependent_task_id
  || ' of task_dependencies holds a time that can''t be read' AS what
FROM task_dependencies
WHERE created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    created_at IS NOT NULL AND julianday(created_at) IS NULL)
  OR resolved_at NOT GLOB '????-??-??T??:??:??.??????Z' OR (
    resolved_at IS NOT NULL AND julianday(resolved_at) IS NULL)
LIMIT :limit;
