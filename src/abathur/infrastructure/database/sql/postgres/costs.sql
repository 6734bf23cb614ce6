-- name: costs_lock
SELECT 1 AS locked FROM (
  SELECT pg_advisory_xact_lock('costs'::regclass::oid::bigint)
) AS waited;
