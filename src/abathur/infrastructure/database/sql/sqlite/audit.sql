-- The id is the one that the table would give itself, known beforehand because it is hashed too.
-- name: audit_insert
INSERT INTO audit (id, timestamp, task_id, actor, action_type, action_data, sequence, hash)
VALUES (
  coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0) + 1,
  :timestamp, :task_id, :actor, :action_type, :action_data,
  coalesce((SELECT sequence FROM audit_heads WHERE task_id = :task_id), 0) + 1,
  audit_hash(
    (SELECT hash FROM audit_heads WHERE task_id = :task_id),
    coalesce((SELECT sequence FROM audit_heads WHERE task_id = :task_id), 0) + 1,
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0) + 1,
    :task_id, :timestamp, :actor, :action_type, :action_data
  )
);

-- name: audit_heads_save
INSERT INTO audit_heads (task_id, sequence, hash)
SELECT task_id, sequence, hash FROM audit WHERE id = last_insert_rowid()
ON CONFLICT (task_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash;

-- Only AUTOINCREMENT promises ids without gaps, and remembers the last one that it gave.
-- name: audit_gaps
SELECT before + 1 AS first, id - 1 AS last
FROM (SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS before FROM audit)
WHERE id <> before + 1
UNION ALL
SELECT m.id + 1, s.seq
FROM (SELECT coalesce(max(id), 0) AS id FROM audit) AS m
JOIN sqlite_sequence AS s ON s.name = 'audit' AND s.seq <> m.id;
