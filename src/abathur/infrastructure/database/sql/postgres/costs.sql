-- name: costs_settle:many
INSERT INTO costs (
  task_id, attempt, target, agent_type, model, day, input_tokens, output_tokens,
  cache_read_tokens, cache_write_tokens, reserved_usd, cost_usd, estimated_usd, estimate_rule,
  settled_at
)
SELECT
  task_id, attempt, target, agent_type, model, day, input_tokens, output_tokens,
  cache_read_tokens, cache_write_tokens, 0, cost_usd, estimated_usd, estimate_rule, settled_at
FROM json_populate_recordset(NULL::costs, :rows::json)
ON CONFLICT (task_id, attempt) DO UPDATE SET
  target = CASE WHEN excluded.target = '' THEN costs.target ELSE excluded.target END,
  model = excluded.model, input_tokens = excluded.input_tokens,
  output_tokens = excluded.output_tokens, cache_read_tokens = excluded.cache_read_tokens,
  cache_write_tokens = excluded.cache_write_tokens, reserved_usd = 0,
  cost_usd = excluded.cost_usd, estimated_usd = excluded.estimated_usd,
  estimate_rule = excluded.estimate_rule, settled_at = excluded.settled_at;
