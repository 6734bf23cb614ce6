-- As in `fix.sql`: what is searched, which can be made again. What a memory says is worked out in
-- `services/fixing_memories.py`.

-- name: fix_passage_owner
DELETE FROM passages
WHERE CAST(id AS TEXT) = :row_key AND (memory_id IS NULL) = (document_id IS NULL);

-- A vector that is missing is made again.
-- name: fix_vector_length
DELETE FROM vectors WHERE CAST(passage_id AS TEXT) = :row_key AND length(vector) <> 4 * dimension;

-- The next `abathur docs index` reads it anew.
-- name: fix_document_passages
UPDATE document_index SET sync_status = 'stale'
WHERE CAST(id AS TEXT) = :row_key AND sync_status = 'synced' AND chunk_count <> (
  SELECT count(*) FROM passages AS p WHERE p.document_id = document_index.id);

-- name: row_of_memories
SELECT m.id, (SELECT count(*) FROM passages AS p WHERE p.memory_id = m.id) AS passages
FROM memories AS m WHERE CAST(m.id AS TEXT) = :row_key;

-- name: row_of_document_index
SELECT id, file_path, sync_status FROM document_index WHERE CAST(id AS TEXT) = :row_key;
