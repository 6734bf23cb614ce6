-- The words of a passage are taken apart once, when it is written: ranking reads those of each passage
-- that has one of the words, and frequent words are in many.
DROP INDEX passages_by_words;

ALTER TABLE passages ADD COLUMN lexemes TSVECTOR GENERATED ALWAYS AS (
  setweight(to_tsvector('english', translate(heading, '/.-_:@\', '       ')), 'A')
    || to_tsvector('english', translate(text, '/.-_:@\', '       '))
) STORED;

CREATE INDEX passages_by_words ON passages USING gin (lexemes);

-- Where the extension pgvector is, vectors also stand in a column of its type, whose signs are indexed
-- (HNSW, Hamming distance), an index for each source, model and dimension. `vectors` stays what is
-- copied and recovered; this is made of it. Nothing here needs the extension to be there: functions
-- are only parsed, and each says whether it could do its work.

CREATE FUNCTION vector_index_name(source TEXT, model TEXT, dimension BIGINT) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$
  SELECT 'vector_index_' || md5(concat_ws(' ', source, dimension, model))
$$;

-- Whoever drops the extension takes the column along.
CREATE FUNCTION vector_index_is_there() RETURNS BOOLEAN LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT 1 FROM pg_attribute
    WHERE attrelid = to_regclass('vector_index') AND attname = 'embedding' AND NOT attisdropped)
$$;

-- Make the table, if that can be done. False: there is no pgvector, or this user may not use it.
CREATE FUNCTION vector_index_prepare() RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('vector_index'));
  IF vector_index_is_there() THEN
    RETURN TRUE;
  END IF;
  IF NOT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'vector') THEN
    RETURN FALSE;
  END IF;
  CREATE EXTENSION IF NOT EXISTS vector;
  -- Older than 0.7 it knows no signs.
  PERFORM binary_quantize('[1,-1]'::vector);
  DROP TABLE IF EXISTS vector_index;
  CREATE TABLE vector_index (
    passage_id BIGINT PRIMARY KEY REFERENCES vectors (passage_id) ON DELETE CASCADE,
    source TEXT COLLATE "C" NOT NULL CHECK (source IN ('memory', 'document')),
    model TEXT COLLATE "C" NOT NULL,
    dimension BIGINT NOT NULL CHECK (dimension > 0),
    embedding vector NOT NULL
  );
  RETURN TRUE;
EXCEPTION
  WHEN insufficient_privilege OR undefined_object OR undefined_function OR undefined_file
    OR feature_not_supported THEN
    RETURN FALSE;
END
$$;

-- Have an index for these vectors; it says from then on that all of them are in the table.
CREATE FUNCTION vector_index_begin(
  wanted_source TEXT, wanted_model TEXT, wanted_dimension BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE
  index_name TEXT := vector_index_name(wanted_source, wanted_model, wanted_dimension);
BEGIN
  IF NOT vector_index_is_there() THEN
    RETURN FALSE;
  END IF;
  IF to_regclass(quote_ident(index_name)) IS NULL THEN
    -- Two that make it at once would wait for each other for ever.
    PERFORM pg_advisory_xact_lock(hashtext('vector_index'));
    EXECUTE format(
      'CREATE INDEX IF NOT EXISTS %1$I ON vector_index '
      'USING hnsw ((binary_quantize(embedding)::bit(%2$s)) bit_hamming_ops) '
      'WHERE source = %3$L AND model = %4$L AND dimension = %2$s',
      index_name, wanted_dimension, wanted_source, wanted_model);
  END IF;
  RETURN TRUE;
EXCEPTION
  -- Of somebody else, or longer than an index takes.
  WHEN insufficient_privilege OR program_limit_exceeded THEN
    RETURN FALSE;
END
$$;

-- `made` is a list of objects with `id`, `source` and `vector`.
CREATE FUNCTION vector_index_save(wanted_model TEXT, wanted_dimension BIGINT, made TEXT)
RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
  IF NOT vector_index_is_there() THEN
    RETURN FALSE;
  END IF;
  INSERT INTO vector_index (passage_id, source, model, dimension, embedding)
  SELECT one.id, one.source, wanted_model, wanted_dimension, one.vector::vector
  FROM json_to_recordset(made::json) AS one (id BIGINT, source TEXT, vector TEXT)
  ON CONFLICT (passage_id) DO UPDATE SET
    source = excluded.source, model = excluded.model, dimension = excluded.dimension,
    embedding = excluded.embedding;
  RETURN TRUE;
END
$$;

-- The nearest: of few, all are compared; of many, those whose signs differ least, as the index tells. A
-- single row with the id 0 says that not all vectors are in the table, so that they have to be
-- compared without it.
CREATE FUNCTION vector_index_nearest(
  wanted_source TEXT, wanted_model TEXT, wanted_dimension BIGINT, wanted TEXT, number BIGINT
) RETURNS TABLE (passage_id BIGINT, cosine DOUBLE PRECISION) LANGUAGE plpgsql AS $$
DECLARE
  -- By the last ANALYZE; a new index has none yet.
  many REAL := (SELECT c.reltuples FROM pg_class AS c WHERE c.oid = to_regclass(quote_ident(
    vector_index_name(wanted_source, wanted_model, wanted_dimension))));
  candidates BIGINT := least(1000, greatest(400, 2 * number));
BEGIN
  IF many IS NULL THEN
    RETURN QUERY SELECT 0::BIGINT, 0::DOUBLE PRECISION;
  ELSIF many < 10000 THEN
    RETURN QUERY
      SELECT near.passage_id, 1 - near.distance FROM (
        SELECT v.passage_id, v.embedding <=> wanted::vector AS distance FROM vector_index AS v
        WHERE v.source = wanted_source AND v.model = wanted_model
          AND v.dimension = wanted_dimension
      ) AS near
      ORDER BY near.distance, near.passage_id LIMIT number;
  ELSE
    PERFORM set_config('hnsw.ef_search', candidates::text, TRUE);
    RETURN QUERY EXECUTE format(
      'SELECT near.passage_id, 1 - (near.embedding <=> %2$L::vector) FROM ('
      'SELECT v.passage_id, v.embedding FROM vector_index AS v '
      'WHERE v.source = %3$L AND v.model = %4$L AND v.dimension = %1$s '
      'ORDER BY binary_quantize(v.embedding)::bit(%1$s) '
      '<~> binary_quantize(%2$L::vector)::bit(%1$s) LIMIT %5$s) AS near '
      'ORDER BY near.embedding <=> %2$L::vector, near.passage_id LIMIT %6$s',
      wanted_dimension, wanted, wanted_source, wanted_model, candidates, number);
  END IF;
END
$$;

-- The same of a few passages only; all of them are compared exactly.
CREATE FUNCTION vector_index_among(
  wanted_source TEXT, wanted_model TEXT, wanted_dimension BIGINT, wanted TEXT, number BIGINT,
  ids TEXT
) RETURNS TABLE (passage_id BIGINT, cosine DOUBLE PRECISION) LANGUAGE plpgsql AS $$
BEGIN
  IF to_regclass(quote_ident(
    vector_index_name(wanted_source, wanted_model, wanted_dimension))) IS NULL
  THEN
    RETURN QUERY SELECT 0::BIGINT, 0::DOUBLE PRECISION;
    RETURN;
  END IF;
  RETURN QUERY
    SELECT near.passage_id, 1 - near.distance FROM (
      SELECT v.passage_id, v.embedding <=> wanted::vector AS distance FROM vector_index AS v
      WHERE v.model = wanted_model AND v.dimension = wanted_dimension
        AND v.passage_id IN (SELECT json_array_elements_text(ids::json)::bigint)
    ) AS near
    ORDER BY near.distance, near.passage_id LIMIT number;
END
$$;

-- Vectors that should be in the table and are not, or without an index.
CREATE FUNCTION vector_index_missing(wanted_model TEXT, number BIGINT)
RETURNS TABLE (passage_id BIGINT, source TEXT, dimension BIGINT, vector BYTEA)
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT vector_index_is_there() THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT v.passage_id, CASE WHEN p.memory_id IS NULL THEN 'document' ELSE 'memory' END,
      v.dimension, v.vector
    FROM vectors AS v
    JOIN passages AS p ON p.id = v.passage_id
    LEFT JOIN vector_index AS i
      ON i.passage_id = v.passage_id AND i.model = v.model AND i.dimension = v.dimension
    WHERE v.model = wanted_model AND i.passage_id IS NULL
    LIMIT number;
END
$$;

CREATE FUNCTION vector_index_unindexed(wanted_model TEXT)
RETURNS TABLE (source TEXT, dimension BIGINT) LANGUAGE plpgsql AS $$
BEGIN
  IF NOT vector_index_is_there() THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT i.source, i.dimension FROM vector_index AS i
    WHERE i.model = wanted_model
    GROUP BY i.source, i.dimension
    HAVING to_regclass(quote_ident(
      vector_index_name(i.source, wanted_model, i.dimension))) IS NULL;
END
$$;

SELECT vector_index_prepare();
