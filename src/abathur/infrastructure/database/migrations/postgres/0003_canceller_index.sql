-- Deleting a task looks for the ones that it cancelled; without this that reads the whole table.
CREATE INDEX tasks_by_canceller ON tasks (cancelled_by) WHERE cancelled_by IS NOT NULL;
