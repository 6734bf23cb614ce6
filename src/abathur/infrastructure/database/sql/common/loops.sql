-- name: loops_insert
INSERT INTO loops (task_id, spec, created_by, created_at, stop_as, stopped_by)
VALUES (:task_id, :spec, :created_by, :created_at, :stop_as, :stopped_by)
ON CONFLICT (task_id) DO UPDATE SET
  spec = excluded.spec, created_by = excluded.created_by, created_at = excluded.created_at,
  stop_as = excluded.stop_as, stopped_by = excluded.stopped_by;

-- name: loops_get
SELECT task_id, spec, created_by, created_at, stop_as, stopped_by FROM loops
WHERE task_id = :task_id;

-- name: loops_stop
UPDATE loops SET stop_as = :stop_as, stopped_by = :stopped_by WHERE task_id = :task_id;

-- name: loops_under_way
SELECT l.task_id FROM loops AS l JOIN tasks AS t ON t.id = l.task_id
WHERE t.status NOT IN ('completed', 'failed', 'cancelled') ORDER BY l.task_id LIMIT :limit;

-- name: iterations_put
INSERT INTO iterations (
  task_id, number, attempt, runtime, model, strategy, pattern, target, base_commit, work_commit,
  tree, started_at, measured_at, measurement, reading, verdict
) VALUES (
  :task_id, :number, :attempt, :runtime, :model, :strategy, :pattern, :target, :base_commit,
  :work_commit, :tree, :started_at, :measured_at, :measurement, :reading, :verdict
) ON CONFLICT (task_id, number) DO UPDATE SET
  attempt = excluded.attempt, runtime = excluded.runtime, model = excluded.model,
  strategy = excluded.strategy, pattern = excluded.pattern, target = excluded.target,
  base_commit = excluded.base_commit, work_commit = excluded.work_commit, tree = excluded.tree,
  started_at = excluded.started_at, measured_at = excluded.measured_at,
  measurement = excluded.measurement, reading = excluded.reading, verdict = excluded.verdict;

-- name: iterations_of_task
SELECT task_id, number, attempt, runtime, model, strategy, pattern, target, base_commit,
  work_commit, tree, started_at, measured_at, measurement, reading, verdict
FROM iterations WHERE task_id = :task_id ORDER BY number;

-- name: evidence_add
INSERT INTO strategy_evidence (agent_type, pattern, strategy, runs, improved)
VALUES (:agent_type, :pattern, :strategy, 1, :improved)
ON CONFLICT (agent_type, pattern, strategy) DO UPDATE SET
  runs = strategy_evidence.runs + 1, improved = strategy_evidence.improved + excluded.improved;

-- name: evidence_of
SELECT pattern, strategy, runs, improved FROM strategy_evidence WHERE agent_type = :agent_type;
