-- For SQLite alone: indexes by which what is landed next is found.
SELECT 1;
