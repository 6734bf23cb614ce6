-- For PostgreSQL alone: indexes that cost a change of a row something.
SELECT 1;
