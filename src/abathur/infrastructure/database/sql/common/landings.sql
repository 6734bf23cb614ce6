-- name: landings_insert
INSERT INTO landings (
  id, task_id, attempt, target, base_commit, work_commit, state, rank, worker_id, lease_until,
  fence, requested_at, started_at, ended_at, target_before, merge_commit, verify_log, detail,
  proof, facts
) VALUES (
  :id, :task_id, :attempt, :target, :base_commit, :work_commit, :state, :rank, :worker_id,
  :lease_until, :fence, :requested_at, :started_at, :ended_at, :target_before, :merge_commit,
  :verify_log, :detail, :proof, :facts
);

-- name: landings_save
UPDATE landings SET
  state = :state, worker_id = :worker_id, lease_until = :lease_until, fence = :fence,
  started_at = :started_at, ended_at = :ended_at, target_before = :target_before,
  merge_commit = :merge_commit, verify_log = :verify_log, detail = :detail, proof = :proof,
  facts = :facts
WHERE id = :id AND fence = :expected_fence;

-- name: landings_get
SELECT * FROM landings WHERE id = :id;

-- name: landings_of_task
SELECT * FROM landings WHERE task_id = :task_id ORDER BY attempt;

-- name: landings_open
SELECT * FROM landings WHERE state IN ('queued', 'running') ORDER BY state DESC, rank, id;

-- For engines on which several claim at once; a statement of its own, as what comes after it has to
-- see what others did.
-- name: landings_claim_turn
SELECT 1 AS turn;

-- One landing a target at a time: a queued one waits while another of its target is under way and
-- its lander's lease lasts. Both states are named everywhere: SQLite uses the index of the open
-- landings only where its own condition stands, word for word.
-- name: landings_claim
UPDATE landings SET
  state = 'running', worker_id = :worker_id, lease_until = :lease_until, fence = fence + 1,
  started_at = coalesce(started_at, :now)
WHERE id = (
  SELECT l.id FROM landings AS l
  WHERE l.state IN ('queued', 'running')
    AND ((l.state = 'running' AND l.lease_until <= :now)
      OR (l.state = 'queued'
        AND l.target NOT IN (
          SELECT name FROM holds
          WHERE scope = 'target' AND cause = 'person'
            AND (hold_until IS NULL OR hold_until > :now))
        AND NOT EXISTS (
            SELECT 1 FROM landings AS o
            WHERE o.target = l.target AND o.state IN ('queued', 'running')
              AND o.state = 'running')))
  ORDER BY l.state DESC, l.rank, l.id LIMIT 1
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
