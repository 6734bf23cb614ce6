-- Taken before the entries of a transaction are written, which are the last thing that it does. It is
-- waited for as long as for anything: who has it is about to commit.
-- name: audit_turn
SELECT pg_advisory_xact_lock('audit'::regclass::oid::bigint)
FROM (SELECT set_config('lock_timeout', current_setting('abathur.patience'), true)) AS patient;

-- For entries of which none follows another one of them. The hash is entry_hash() of domain/audit.py, in
-- SQL: so nobody has to wait for an answer of the server in between, while others wait for the turn. It is
-- written out, as calling audit_hash() takes twenty times as long.
-- name: audit_append_apart
WITH added AS (
  INSERT INTO audit (id, timestamp, task_id, actor, action_type, action_data, sequence, hash)
  SELECT
    entry.id, :timestamp, :task_id, :actor, :action_type, :action_data, entry.sequence,
    encode(sha256(convert_to(
      '64:' || entry.previous
      || ',' || length(entry.sequence::text) || ':' || entry.sequence
      || ',' || length(entry.id::text) || ':' || entry.id
      || ',' || octet_length(:task_id::text) || ':' || :task_id
      || ',' || octet_length(:timestamp::text) || ':' || :timestamp
      || ',' || octet_length(:actor::text) || ':' || :actor
      || ',' || octet_length(:action_type::text) || ':' || :action_type
      || ',' || octet_length(:action_data::text) || ':' || :action_data || ',', 'UTF8')), 'hex')
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

-- The LIMIT keeps the server from reading all heads for a few.
-- name: audit_append_apart:many
WITH added AS (
  INSERT INTO audit (id, timestamp, task_id, actor, action_type, action_data, sequence, hash)
  SELECT
    entry.id, entry.timestamp, entry.task_id, entry.actor, entry.action_type, entry.action_data,
    entry.sequence,
    encode(sha256(convert_to(
      '64:' || entry.previous
      || ',' || length(entry.sequence::text) || ':' || entry.sequence
      || ',' || length(entry.id::text) || ':' || entry.id
      || ',' || octet_length(entry.task_id) || ':' || entry.task_id
      || ',' || octet_length(entry.timestamp) || ':' || entry.timestamp
      || ',' || octet_length(entry.actor) || ':' || entry.actor
      || ',' || octet_length(entry.action_type) || ':' || entry.action_type
      || ',' || octet_length(entry.action_data) || ':' || entry.action_data || ',',
      'UTF8')), 'hex')
  FROM (
    SELECT r.task_id, r.timestamp, r.actor, r.action_type, r.action_data,
      last.id + r.number AS id,
      coalesce(head.sequence, 0) + 1 AS sequence,
      coalesce(head.hash, repeat('0', 64)) AS previous
    FROM (SELECT coalesce(max(id), 0) AS id FROM audit) AS last,
      ROWS FROM (json_to_recordset(:rows::json) AS (
        task_id TEXT, timestamp TEXT, actor TEXT, action_type TEXT, action_data TEXT
      )) WITH ORDINALITY AS r (task_id, timestamp, actor, action_type, action_data, number)
      LEFT JOIN LATERAL (
        SELECT sequence, hash FROM audit_heads WHERE task_id = r.task_id LIMIT 1
      ) AS head ON true
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
