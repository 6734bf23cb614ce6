-- What is landed next is found by a few steps in an index, however many landings are open: the queue in
-- its order, what is under way by its target, and what was begun and given back.
DROP INDEX landings_open;

CREATE INDEX landings_open ON landings (state, rank, id, target)
  WHERE state IN ('queued', 'running');

CREATE INDEX landings_running ON landings (target, lease_until) WHERE state = 'running';

CREATE INDEX landings_begun ON landings (target, rank, id)
  WHERE state = 'queued' AND merge_commit IS NOT NULL;
