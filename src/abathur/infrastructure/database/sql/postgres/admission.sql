-- name: admission_turn
SELECT pg_advisory_xact_lock('holds'::regclass::oid::bigint);
