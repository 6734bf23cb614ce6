-- name: gate_runs_insert
INSERT INTO gate_runs (
  landing_id, gate, command, tree, batch_size, started_at, ended_at, exit_code, verdict, log_path
) VALUES (
  :landing_id, :gate, :command, :tree, :batch_size, :started_at, :ended_at, :exit_code, :verdict,
  :log_path
);

-- name: gate_runs_of_task
SELECT g.* FROM landings AS l JOIN gate_runs AS g ON g.landing_id = l.id
WHERE l.task_id = :task_id ORDER BY g.id;

-- The condition of the index stands here word for word, or SQLite wouldn't use it.
-- name: gate_runs_passed
SELECT 1 AS passed FROM gate_runs
WHERE tree = :tree AND gate = :gate AND verdict IN ('passed', 'flaky') AND command = :command
LIMIT 1;

-- A run on several landings has a row for each; one of them will do.
-- name: gate_runs_flaky
SELECT * FROM gate_runs WHERE verdict = 'flaky' AND id IN (
  SELECT max(id) FROM (
    SELECT id, gate, tree, ended_at FROM gate_runs WHERE verdict = 'flaky'
    ORDER BY ended_at DESC LIMIT :limit
  ) AS newest GROUP BY gate, tree, ended_at
) ORDER BY ended_at DESC;
