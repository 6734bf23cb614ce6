-- Taken before the entries of a transaction are written, which are the last thing that it does.
-- name: last:before
SELECT pg_advisory_xact_lock('audit'::regclass::oid::bigint);

-- audit_hash() is entry_hash() of domain/audit.py, in SQL.
-- name: audit_insert
INSERT INTO audit (id, timestamp, task_id, actor, action_type, action_data, sequence, hash)
SELECT
  entry.id, :timestamp, :task_id, :actor, :action_type, :action_data, entry.sequence,
  audit_hash(
    entry.previous, entry.sequence, entry.id,
    :task_id, :timestamp, :actor, :action_type, :action_data
  )
FROM (
  SELECT
    (SELECT coalesce(max(id), 0) + 1 FROM audit) AS id,
    coalesce((SELECT sequence FROM audit_heads WHERE task_id = :task_id), 0) + 1 AS sequence,
    coalesce((SELECT hash FROM audit_heads WHERE task_id = :task_id), repeat('0', 64)) AS previous
) AS entry;

-- name: audit_insert:last
INSERT INTO audit (id, timestamp, task_id, actor, action_type, action_data, sequence, hash)
SELECT
  entry.id, :timestamp, :task_id, :actor, :action_type, :action_data, entry.sequence,
  audit_hash(
    entry.previous, entry.sequence, entry.id,
    :task_id, :timestamp, :actor, :action_type, :action_data
  )
FROM (
  SELECT
    (SELECT coalesce(max(id), 0) + 1 FROM audit) AS id,
    coalesce((SELECT sequence FROM audit_heads WHERE task_id = :task_id), 0) + 1 AS sequence,
    coalesce((SELECT hash FROM audit_heads WHERE task_id = :task_id), repeat('0', 64)) AS previous
) AS entry;

-- name: audit_heads_save
INSERT INTO audit_heads (task_id, sequence, hash)
SELECT task_id, sequence, hash FROM audit ORDER BY id DESC LIMIT 1
ON CONFLICT (task_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash;

-- name: audit_heads_save:last
INSERT INTO audit_heads (task_id, sequence, hash)
SELECT task_id, sequence, hash FROM audit ORDER BY id DESC LIMIT 1
ON CONFLICT (task_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash;

-- name: audit_heads_of
SELECT task_id, sequence, hash FROM audit_heads
WHERE task_id IN (SELECT json_array_elements_text(:ids::json));

-- The end isn't missed by its id, but by its head.
-- name: audit_gaps
SELECT before + 1 AS first, id - 1 AS last
FROM (SELECT id, lag(id, 1, 0::bigint) OVER (ORDER BY id) AS before FROM audit) AS numbered
WHERE id <> before + 1 ORDER BY id;
