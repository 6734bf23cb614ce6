-- A change that touches no column of an index, nor of the condition of one, is written into the row's own
-- page and costs no index anything. A lease is renewed and given up more often than anything else changes:
-- so it is in no index, and a worker's tasks are found among those that run, which are few.
DROP INDEX tasks_leased;

-- An index holds a row without the value too, unless it is told not to.
ALTER TABLE tasks DROP CONSTRAINT tasks_idempotency_key_key;
CREATE UNIQUE INDEX tasks_by_idempotency_key ON tasks (idempotency_key) WHERE idempotency_key IS NOT NULL;
DROP INDEX landings_ended;
CREATE INDEX landings_ended ON landings (ended_at) WHERE ended_at IS NOT NULL;

-- Room in their pages for what is written to them later.
ALTER TABLE attempts SET (fillfactor = 70);
ALTER TABLE landings SET (fillfactor = 70);
