-- Locked, as the next event takes its number from those that are there.
-- name: sessions_get:locked
SELECT * FROM sessions WHERE id = :id FOR UPDATE;
