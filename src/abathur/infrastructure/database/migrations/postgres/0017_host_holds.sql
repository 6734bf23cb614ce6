-- A host too can be held, as when its disk is full.
ALTER TABLE holds DROP CONSTRAINT holds_scope_check;
ALTER TABLE holds ADD CONSTRAINT holds_scope_check
  CHECK (scope IN ('everything', 'target', 'task', 'agent_type', 'host'));
