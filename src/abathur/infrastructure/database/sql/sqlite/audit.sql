-- For engines on which several write at once.
-- name: audit_turn
SELECT 1 AS turn;

-- The last id is the one that the table remembers; the next ones are those that it would give.
-- name: audit_ends
SELECT NULL AS task_id, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0)
  AS sequence, NULL AS hash
UNION ALL
SELECT task_id, sequence, hash FROM audit_heads
WHERE task_id IN (SELECT value FROM json_each(:ids));

-- Only AUTOINCREMENT promises ids without gaps, and remembers the last one that it gave.
-- name: audit_gaps
SELECT before + 1 AS first, id - 1 AS last
FROM (SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS before FROM audit)
WHERE id <> before + 1
UNION ALL
SELECT m.id + 1, s.seq
FROM (SELECT coalesce(max(id), 0) AS id FROM audit) AS m
JOIN sqlite_sequence AS s ON s.name = 'audit' AND s.seq <> m.id;
