-- name: vector_index_prepare
SELECT vector_index_prepare() AS is_there;

-- name: vector_index_waits
SELECT (NOT vector_index_is_there()
    AND EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'vector'))
  OR EXISTS (SELECT 1 FROM vector_index_missing(:model, 1))
  OR EXISTS (SELECT 1 FROM vector_index_unindexed(:model)) AS waits;

-- name: vector_index_begin
SELECT vector_index_begin(:source, :model, :dimension) AS is_there;

-- name: vector_index_has_vectors
SELECT EXISTS (
  SELECT 1 FROM vectors AS v JOIN passages AS p ON p.id = v.passage_id
  WHERE v.model = :model AND v.dimension = :dimension
    AND (p.memory_id IS NULL) = (:source = 'document')
) AS has_some;

-- name: vector_index_save
SELECT vector_index_save(:model, :dimension, :made) AS is_there;

-- name: vector_index_nearest
SELECT passage_id, cosine
FROM vector_index_nearest(:source, :model, :dimension, :vector, :number);

-- name: vector_index_among
SELECT passage_id, cosine
FROM vector_index_among(:source, :model, :dimension, :vector, :number, :ids);

-- name: vector_index_missing
SELECT passage_id, source, dimension, vector FROM vector_index_missing(:model, :number);

-- name: vector_index_unindexed
SELECT source, dimension FROM vector_index_unindexed(:model);
