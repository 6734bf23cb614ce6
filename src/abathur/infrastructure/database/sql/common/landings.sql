-- name: landings_insert
INSERT INTO landings (
  id, task_id, attempt, target, base_commit, work_commit, state, rank, worker_id, lease_until,
  fence, requested_at, started_at, ended_at, target_before, merge_commit, verify_log, detail,
  proof, facts, strategy, onto, batch
) VALUES (
  :id, :task_id, :attempt, :target, :base_commit, :work_commit, :state, :rank, :worker_id,
  :lease_until, :fence, :requested_at, :started_at, :ended_at, :target_before, :merge_commit,
  :verify_log, :detail, :proof, :facts, :strategy, :onto, :batch
);

-- name: landings_save
UPDATE landings SET
  state = :state, worker_id = :worker_id, lease_until = :lease_until, fence = :fence,
  started_at = :started_at, ended_at = :ended_at, target_before = :target_before,
  merge_commit = :merge_commit, verify_log = :verify_log, detail = :detail, proof = :proof,
  facts = :facts, strategy = :strategy, onto = :onto, batch = :batch
WHERE id = :id AND fence = :expected_fence;

-- name: landings_get
SELECT * FROM landings WHERE id = :id;

-- name: landings_of_task
SELECT * FROM landings WHERE task_id = :task_id ORDER BY attempt;

-- name: landings_open
SELECT * FROM landings WHERE state IN ('queued', 'running') ORDER BY state DESC, rank, id;

-- name: landings_wanted
SELECT l.* FROM landings AS l
WHERE l.state IN ('queued', 'running') AND NOT EXISTS (
  SELECT 1 FROM reviews AS r
  WHERE r.task_id = l.task_id AND r.state = 'open' AND r.attempt = l.attempt
    AND r.kind = 'landing' AND l.state = 'queued')
ORDER BY l.state DESC, l.rank, l.id;

-- For engines on which several claim at once; a statement of its own, as what comes after it has to
-- see what others did.
-- name: landings_claim_turn
SELECT 1 AS turn;

-- The next landings of one target: it must have none under way whose lander's lease lasts. Those that
-- were begun come first, by themselves and all of them, for they may be in the target already; the
-- first of their batch stays the first. What is queued is passed over while it waits for a person's
-- approval, or a person holds its target; and what wasn't begun, while its target is closed. Of that
-- only the first that may go is looked up, in the order of its index: SQLite uses an index of some
-- landings only where its own condition stands, word for word, and would look through the whole queue
-- for those that were begun.
-- name: landings_claim
WITH fresh AS NOT MATERIALIZED (
  SELECT l.id, l.target, l.rank FROM landings AS l
  WHERE l.state IN ('queued', 'running') AND l.state = 'queued' AND l.merge_commit IS NULL
    AND l.target NOT IN (SELECT value FROM json_each(:closed))
    AND NOT EXISTS (
      SELECT 1 FROM landings AS o
      WHERE o.target = l.target AND o.state = 'running' AND o.lease_until > :now)
    AND NOT EXISTS (
      SELECT 1 FROM holds AS h
      WHERE h.scope = 'target' AND h.name = l.target AND h.cause = 'person'
        AND (h.hold_until IS NULL OR h.hold_until > :now))
    AND NOT EXISTS (
      SELECT 1 FROM reviews AS r
      WHERE r.task_id = l.task_id AND r.state = 'open' AND r.attempt = l.attempt
        AND r.kind = 'landing')
), begun AS NOT MATERIALIZED (
  SELECT l.id, l.target, l.rank, 0 AS is_first FROM landings AS l INDEXED BY landings_begun
  WHERE l.state = 'queued' AND l.merge_commit IS NOT NULL
    AND NOT EXISTS (
      SELECT 1 FROM landings AS o
      WHERE o.target = l.target AND o.state = 'running' AND o.lease_until > :now)
    AND NOT EXISTS (
      SELECT 1 FROM holds AS h
      WHERE h.scope = 'target' AND h.name = l.target AND h.cause = 'person'
        AND (h.hold_until IS NULL OR h.hold_until > :now))
    AND NOT EXISTS (
      SELECT 1 FROM reviews AS r
      WHERE r.task_id = l.task_id AND r.state = 'open' AND r.attempt = l.attempt
        AND r.kind = 'landing')
  UNION ALL
  SELECT l.id, l.target, l.rank, coalesce(l.batch = l.id, 0)
  FROM landings AS l INDEXED BY landings_running
  WHERE l.state = 'running' AND coalesce(l.lease_until <= :now, 1)
    AND NOT EXISTS (
      SELECT 1 FROM landings AS o
      WHERE o.target = l.target AND o.state = 'running' AND o.lease_until > :now)
), next AS MATERIALIZED (
  SELECT id, target, is_fresh FROM (
    SELECT id, target, rank, is_first, 0 AS is_fresh FROM begun
    UNION ALL
    SELECT * FROM (SELECT id, target, rank, 0, 1 FROM fresh ORDER BY rank, id LIMIT 1)
  )
  ORDER BY is_fresh, is_first DESC, rank, id LIMIT 1
)
UPDATE landings SET
  state = 'running', worker_id = :worker_id, lease_until = :lease_until, fence = fence + 1,
  started_at = coalesce(started_at, :now), batch = (SELECT id FROM next)
WHERE id IN (
  SELECT * FROM (
    SELECT id FROM fresh WHERE target = (SELECT target FROM next WHERE is_fresh)
    ORDER BY rank, id LIMIT :limit)
  UNION ALL
  SELECT id FROM begun WHERE target = (SELECT target FROM next WHERE NOT is_fresh)
)
RETURNING *;

-- name: landings_renew
UPDATE landings SET lease_until = max(lease_until, :lease_until)
WHERE worker_id = :worker_id AND state IN ('queued', 'running') AND state = 'running'
RETURNING id, fence;

-- Sorted by the store: an order asked for here would choose another index.
-- name: landings_held
SELECT * FROM landings
WHERE worker_id = :worker_id AND state IN ('queued', 'running') AND state = 'running';

-- name: landings_recent
SELECT * FROM landings WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT :limit;

-- Of failed tasks, those that landing refused: a person has to decide what becomes of their work.
-- name: landings_refused
SELECT l.* FROM tasks AS t JOIN landings AS l ON l.task_id = t.id AND l.attempt = t.attempt_count
WHERE t.status = 'failed' AND l.state IN ('conflicted', 'rejected')
ORDER BY t.id DESC LIMIT :limit;

-- name: landings_ahead_of_time
SELECT * FROM landings WHERE id IN (SELECT value->>'id' FROM json_each(:keys));
