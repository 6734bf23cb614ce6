-- name: costs_reserve
INSERT INTO costs (task_id, attempt, target, agent_type, day, reserved_usd)
VALUES (:task_id, :attempt, :target, :agent_type, :day, :reserved_usd)
ON CONFLICT DO NOTHING;

-- name: costs_reserve_more
UPDATE costs SET reserved_usd = :reserved_usd
WHERE task_id = :task_id AND attempt = :attempt AND settled_at IS NULL;

-- name: costs_settle
INSERT INTO costs (
  task_id, attempt, target, agent_type, model, day, input_tokens, output_tokens,
  cache_read_tokens, cache_write_tokens, reserved_usd, cost_usd, estimated_usd, estimate_rule,
  settled_at
) VALUES (
  :task_id, :attempt, :target, :agent_type, :model, :day, :input_tokens, :output_tokens,
  :cache_read_tokens, :cache_write_tokens, 0, :cost_usd, :estimated_usd, :estimate_rule,
  :settled_at
)
ON CONFLICT (task_id, attempt) DO UPDATE SET
  target = CASE WHEN excluded.target = '' THEN costs.target ELSE excluded.target END,
  model = excluded.model, input_tokens = excluded.input_tokens,
  output_tokens = excluded.output_tokens, cache_read_tokens = excluded.cache_read_tokens,
  cache_write_tokens = excluded.cache_write_tokens, reserved_usd = 0,
  cost_usd = excluded.cost_usd, estimated_usd = excluded.estimated_usd,
  estimate_rule = excluded.estimate_rule, settled_at = excluded.settled_at;

-- name: costs_correct
UPDATE costs SET
  input_tokens = :input_tokens, output_tokens = :output_tokens,
  cache_read_tokens = :cache_read_tokens, cache_write_tokens = :cache_write_tokens,
  cost_usd = :cost_usd, estimated_usd = NULL, estimate_rule = NULL
WHERE task_id = :task_id AND attempt = :attempt AND cost_usd IS NULL;

-- name: costs_get
SELECT * FROM costs WHERE task_id = :task_id AND attempt = :attempt;

-- Only the newest attempts are looked at, so that it costs the same however many there are.
-- name: costs_known
SELECT cost_usd FROM (
  SELECT agent_type, model, cost_usd FROM costs ORDER BY task_id DESC, attempt DESC LIMIT 500
) AS newest
WHERE agent_type = :agent_type AND cost_usd > 0 AND coalesce(model, '') = :model
LIMIT :limit;

-- name: costs_of_task
SELECT sum(coalesce(cost_usd, estimated_usd, 0)) AS spent, sum(reserved_usd) AS reserved
FROM costs WHERE task_id = :name;

-- name: costs_of_target
SELECT sum(coalesce(cost_usd, estimated_usd, 0)) AS spent, sum(reserved_usd) AS reserved
FROM costs WHERE target = :name;

-- name: costs_of_day
SELECT sum(coalesce(cost_usd, estimated_usd, 0)) AS spent, sum(reserved_usd) AS reserved
FROM costs WHERE day = :name;

-- name: costs_totals
SELECT
  CASE CAST(:by AS TEXT)
    WHEN 'task' THEN task_id
    WHEN 'target' THEN target
    WHEN 'agent-type' THEN agent_type
    WHEN 'day' THEN day
    ELSE task_id || '/' || attempt
  END AS name,
  count(*) AS attempts,
  coalesce(sum(cost_usd), 0) AS known_usd,
  count(cost_usd) AS known_attempts,
  coalesce(sum(CASE WHEN cost_usd IS NULL THEN estimated_usd END), 0) AS estimated_usd,
  count(CASE WHEN cost_usd IS NULL AND settled_at IS NOT NULL THEN 1 END) AS unknown_attempts,
  coalesce(sum(reserved_usd), 0) AS reserved_usd,
  count(CASE WHEN settled_at IS NULL THEN 1 END) AS running_attempts,
  CAST(coalesce(sum(input_tokens), 0) AS BIGINT) AS input_tokens,
  CAST(coalesce(sum(output_tokens), 0) AS BIGINT) AS output_tokens,
  CAST(coalesce(sum(cache_read_tokens), 0) AS BIGINT) AS cache_read_tokens,
  CAST(coalesce(sum(cache_write_tokens), 0) AS BIGINT) AS cache_write_tokens
FROM costs WHERE day >= :since
GROUP BY 1 ORDER BY 1;

-- name: costs_rules
SELECT estimate_rule AS rule, count(*) AS attempts FROM costs
WHERE day >= :since AND cost_usd IS NULL AND estimate_rule IS NOT NULL
GROUP BY estimate_rule ORDER BY 2 DESC, 1;

-- name: budgets_any
SELECT 1 AS yes FROM budgets LIMIT 1;

-- name: budgets_get
SELECT limit_usd, granted_usd, asked_usd, needed_usd FROM budgets WHERE scope = :scope AND name = :name;

-- name: budgets_limit
INSERT INTO budgets (scope, name, limit_usd) VALUES (:scope, :name, :limit_usd)
ON CONFLICT (scope, name) DO UPDATE SET limit_usd = excluded.limit_usd, granted_usd = 0,
  asked_usd = 0;

-- name: budgets_ask
INSERT INTO budgets (scope, name, asked_usd, needed_usd)
VALUES (:scope, :name, :asked_usd, :needed_usd)
ON CONFLICT (scope, name) DO UPDATE SET
  asked_usd = excluded.asked_usd, needed_usd = excluded.needed_usd;

-- name: budgets_questions
SELECT scope, name, asked_usd FROM budgets WHERE asked_usd > 0 ORDER BY scope, name;

-- name: budgets_answer
UPDATE budgets SET granted_usd = granted_usd + :usd, asked_usd = 0
WHERE scope = :scope AND name = :name;

-- name: budgets_remove
DELETE FROM budgets WHERE scope = :scope AND name = :name;
