-- What was kept of an older file, see `infrastructure/database/legacy`.

-- name: legacy_select
SELECT id, source_table, source_key, content, reason FROM legacy_rows
WHERE (:source_table IS NULL OR source_table = :source_table) AND id > :after_id
ORDER BY id LIMIT :limit;

-- name: legacy_counts
SELECT source_table, reason, count(*) AS n FROM legacy_rows
GROUP BY source_table, reason ORDER BY source_table, n DESC, reason;
