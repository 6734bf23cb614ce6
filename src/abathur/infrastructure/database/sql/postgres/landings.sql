-- The task first, as everybody else does: then nobody waits for one who waits for him.
-- name: landings_get:locked
WITH its_task AS (
  SELECT id FROM tasks WHERE id = (SELECT task_id FROM landings WHERE id = :id) FOR NO KEY UPDATE
)
SELECT l.* FROM landings AS l, its_task
WHERE l.id = :id AND l.task_id = its_task.id
FOR NO KEY UPDATE OF l;

-- name: landings_ahead_of_time:locked
SELECT l.* FROM landings AS l
WHERE l.id IN (SELECT value->>'id' FROM json_array_elements(:keys::json))
ORDER BY l.task_id, l.id
FOR NO KEY UPDATE OF l SKIP LOCKED;

-- name: landings_of_task:locked
SELECT * FROM landings WHERE task_id = :task_id ORDER BY attempt FOR NO KEY UPDATE;

-- Claims of landings go one after another: whether a target is taken can't be seen while somebody
-- takes it. (If all else fails, the index of running landings refuses a second one.)
-- name: landings_claim_turn
SELECT pg_advisory_xact_lock('landings'::regclass::oid::bigint);

-- What is under way is looked through once, and not for each landing that is open.
-- name: landings_claim
WITH next AS MATERIALIZED (
  SELECT l.id, l.target, (l.merge_commit IS NULL AND l.state = 'queued') AS is_fresh
  FROM landings AS l
  WHERE l.state IN ('queued', 'running')
    AND (l.state = 'running' OR l.merge_commit IS NOT NULL
      OR l.target NOT IN (SELECT json_array_elements_text(:closed::json)))
    AND l.target NOT IN (
      SELECT o.target FROM landings AS o WHERE o.state = 'running' AND o.lease_until > :now)
    AND (l.state = 'running'
      OR (l.target NOT IN (
            SELECT name FROM holds
            WHERE scope = 'target' AND cause = 'person'
              AND (hold_until IS NULL OR hold_until > :now))
        AND NOT EXISTS (
            SELECT 1 FROM reviews AS r
            WHERE r.task_id = l.task_id AND r.state = 'open' AND r.attempt = l.attempt
              AND r.kind = 'landing')))
  ORDER BY (l.merge_commit IS NULL AND l.state = 'queued'),
    coalesce(l.state = 'running' AND l.batch = l.id, false) DESC, l.rank, l.id LIMIT 1
  FOR NO KEY UPDATE OF l SKIP LOCKED
), chosen AS MATERIALIZED (
  SELECT l.id FROM next JOIN landings AS l ON l.target = next.target
  WHERE l.state IN ('queued', 'running')
    AND (l.merge_commit IS NULL AND l.state = 'queued') = next.is_fresh
    AND (l.state = 'running'
      OR (l.target NOT IN (
            SELECT name FROM holds
            WHERE scope = 'target' AND cause = 'person'
              AND (hold_until IS NULL OR hold_until > :now))
        AND NOT EXISTS (
            SELECT 1 FROM reviews AS r
            WHERE r.task_id = l.task_id AND r.state = 'open' AND r.attempt = l.attempt
              AND r.kind = 'landing')))
  ORDER BY l.rank, l.id
  LIMIT coalesce((SELECT CASE WHEN is_fresh THEN :limit ELSE 1000 END FROM next), 0)
  FOR NO KEY UPDATE OF l SKIP LOCKED
)
UPDATE landings SET
  state = 'running', worker_id = :worker_id, lease_until = :lease_until, fence = fence + 1,
  started_at = coalesce(started_at, :now), batch = (SELECT id FROM next)
WHERE id = ANY (ARRAY(SELECT id FROM chosen))
RETURNING *;

-- name: landings_renew
WITH mine AS (
  SELECT id FROM landings WHERE worker_id = :worker_id AND state = 'running' ORDER BY id
  FOR NO KEY UPDATE
)
UPDATE landings AS l SET lease_until = greatest(l.lease_until, :lease_until)
FROM mine WHERE l.id = mine.id
RETURNING l.id, l.fence;
