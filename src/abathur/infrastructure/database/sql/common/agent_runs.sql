-- name: agent_runs_newest
SELECT t.agent_type, a.runtime, a.model, a.definition_version, a.outcome, a.failure_class,
  a.started_at, a.ended_at, coalesce(c.cost_usd, c.estimated_usd) AS usd,
  l.state AS landing, p.spec AS loop_spec, i.reading
FROM attempts AS a
JOIN tasks AS t ON t.id = a.task_id
LEFT JOIN costs AS c ON c.task_id = a.task_id AND c.attempt = a.number
LEFT JOIN landings AS l ON l.task_id = a.task_id AND l.attempt = a.number
LEFT JOIN loops AS p ON p.task_id = a.task_id
LEFT JOIN iterations AS i ON i.task_id = a.task_id AND i.attempt = a.number
WHERE a.ended_at IS NOT NULL AND a.outcome IS NOT NULL
  AND (:agent_type IS NULL OR t.agent_type = :agent_type)
  AND (:since IS NULL OR a.started_at >= :since)
ORDER BY a.started_at DESC LIMIT :limit;
