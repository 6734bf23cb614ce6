-- Taken before the entries of a transaction are written, which are the last thing that it does. It is
-- waited for as long as for anything: who has it is about to commit.
-- name: audit_turn
SELECT pg_advisory_xact_lock('audit'::regclass::oid::bigint)
FROM (SELECT set_config('lock_timeout', current_setting('abathur.patience'), true)) AS patient;

-- For a single entry. audit_hash() is entry_hash() of domain/audit.py, in SQL: so nobody has to wait
-- for an answer of the server in between.
-- name: audit_append_one
WITH added AS (
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
      coalesce(head.sequence, 0) + 1 AS sequence,
      coalesce(head.hash, repeat('0', 64)) AS previous
    FROM (SELECT 1) AS one LEFT JOIN audit_heads AS head ON head.task_id = :task_id
  ) AS entry
  RETURNING task_id, sequence, hash
)
INSERT INTO audit_heads (task_id, sequence, hash)
SELECT task_id, sequence, hash FROM added
ON CONFLICT (task_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash;

-- name: audit_ends
SELECT NULL AS task_id, coalesce(max(id), 0) AS sequence, NULL AS hash FROM audit
UNION ALL
SELECT task_id, sequence, hash FROM audit_heads
WHERE task_id IN (SELECT json_array_elements_text(:ids::json));

-- name: audit_heads_of
SELECT task_id, sequence, hash FROM audit_heads
WHERE task_id IN (SELECT json_array_elements_text(:ids::json));

-- The end isn't missed by its id, but by its head.
-- name: audit_gaps
SELECT before + 1 AS first, id - 1 AS last
FROM (SELECT id, lag(id, 1, 0::bigint) OVER (ORDER BY id) AS before FROM audit) AS numbered
WHERE id <> before + 1 ORDER BY id;
