-- A claim reads ready tasks in the order of this index and stops at the first few. Where statistics were made
-- while few tasks were ready, the index of all statuses looked cheaper: what it finds has to be read and
-- sorted as a whole, by a plan that is kept while many tasks are submitted. So ready tasks are asked for in
-- words that no other index knows.
DROP INDEX tasks_ready;
CREATE INDEX tasks_ready ON tasks (rank, id) WHERE (status = 'ready') IS TRUE;
