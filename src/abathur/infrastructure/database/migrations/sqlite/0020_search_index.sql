-- For PostgreSQL alone: words of passages that are taken apart once, and vectors in a column of pgvector
-- where that extension is.
SELECT 1;
