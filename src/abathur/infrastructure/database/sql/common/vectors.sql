-- The parentheses keep PostgreSQL's session from writing many rows as JSON, which has no bytes.
-- name: vectors_save
INSERT INTO vectors (passage_id, model, dimension, vector)
VALUES (:passage_id, :model, :dimension, (:vector))
ON CONFLICT (passage_id) DO UPDATE SET
  model = excluded.model, dimension = excluded.dimension, vector = excluded.vector;

-- name: vectors_get
SELECT passage_id, vector FROM vectors
WHERE passage_id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids)) AND model = :model;

-- name: vectors_missing
SELECT p.id, p.heading, p.text, p.memory_id FROM passages AS p
WHERE p.id > :after AND NOT EXISTS (
  SELECT 1 FROM vectors AS v WHERE v.model = :model AND v.passage_id = p.id)
ORDER BY p.id LIMIT :limit;

-- name: vectors_count
SELECT v.model, count(*) AS n, max(v.dimension) AS dimension FROM vectors AS v
GROUP BY v.model ORDER BY v.model;

-- name: vectors_page
SELECT v.passage_id, v.vector, p.memory_id FROM vectors AS v
JOIN passages AS p ON p.id = v.passage_id
WHERE v.model = :model AND v.passage_id > :after
ORDER BY v.passage_id LIMIT :limit;

-- name: vector_blocks_list
SELECT id, length(ids) / 8 AS n FROM vector_blocks
WHERE source = :source AND model = :model ORDER BY id;

-- name: vector_blocks_get
SELECT id, source, ids, signs, layout FROM vector_blocks
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids)) ORDER BY id;

-- name: vector_blocks_insert
INSERT INTO vector_blocks (source, model, ids, signs, layout)
VALUES (:source, :model, (:ids), (:signs), :layout);

-- name: vector_blocks_in_rows
SELECT id FROM vector_blocks
WHERE model = :model AND layout = 'rows'
  AND length(ids) = 8 * CAST(:full AS BIGINT) AND length(signs) % CAST(:full AS BIGINT) = 0
ORDER BY id LIMIT :limit;

-- name: vector_blocks_drop
DELETE FROM vector_blocks WHERE id = :id;

-- A process with another model may have vectors that this one hasn't seen; those stay to be found.
-- name: vector_blocks_drop_others
DELETE FROM vector_blocks WHERE model <> :model
AND model NOT IN (SELECT v.model FROM vectors AS v GROUP BY v.model);

-- name: vector_blocks_clear
DELETE FROM vector_blocks WHERE model = :model;
