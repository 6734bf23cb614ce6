-- Deleting a task or an agent looks for the rows that point to it; without these that reads whole
-- tables for each.
CREATE INDEX tasks_by_canceller ON tasks (cancelled_by) WHERE cancelled_by IS NOT NULL;
CREATE INDEX audit_by_agent ON audit (agent_id) WHERE agent_id IS NOT NULL;
