-- For PostgreSQL alone: by which words its planner finds the index of ready tasks.
SELECT 1;
