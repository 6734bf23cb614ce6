-- name: overview_totals
SELECT status, count(*) AS tasks, sum(priority) AS priorities, max(dependency_depth) AS depth,
  min(submitted_at) AS earliest, max(submitted_at) AS latest, max(last_updated_at) AS changed
FROM tasks WHERE (:target IS NULL OR feature_branch = :target)
GROUP BY status ORDER BY status;

-- name: overview_targets
SELECT feature_branch AS target, status, count(*) AS tasks, sum(priority) AS priorities,
  max(dependency_depth) AS depth, min(submitted_at) AS earliest, max(submitted_at) AS latest,
  max(last_updated_at) AS changed
FROM tasks WHERE feature_branch IS NOT NULL
GROUP BY feature_branch, status ORDER BY feature_branch, status;

-- name: overview_agents
SELECT agent_type, count(*) AS tasks, count(CASE WHEN status = 'completed' THEN 1 END) AS completed
FROM tasks WHERE feature_branch = :target
GROUP BY agent_type ORDER BY agent_type;

-- name: overview_page
SELECT t.*,
  (SELECT json_group_array(prerequisite_task_id) FROM task_dependencies
   WHERE dependent_task_id = t.id) AS prerequisites
FROM tasks AS t
WHERE (:status IS NULL OR t.status = :status)
  AND (:exclude_status IS NULL OR t.status <> :exclude_status)
  AND (:agent_type IS NULL OR t.agent_type = :agent_type)
  AND (:source IS NULL OR t.source = :source)
  AND (:target IS NULL OR t.feature_branch = :target)
  AND (:after_id IS NULL OR t.priority < CAST(:after_priority AS INTEGER)
    OR (t.priority = CAST(:after_priority AS INTEGER)
      AND (t.submitted_at > :after_at OR (t.submitted_at = :after_at AND t.id > :after_id))))
ORDER BY t.priority DESC, t.submitted_at, t.id LIMIT :limit;

-- name: overview_children
SELECT id FROM tasks
WHERE parent_task_id IN (SELECT value FROM json_each(:ids)) ORDER BY id LIMIT :limit;
