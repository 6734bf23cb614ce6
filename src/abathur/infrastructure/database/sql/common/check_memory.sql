-- What must be true of memories, documents and sessions; see `check.sql`.

-- name: check_memory_without_version
SELECT 'memories' AS tbl, CAST(m.id AS TEXT) AS row_key, NULL AS task_id,
  'memory ' || m.namespace || ' ' || m.key || ' has no version ' || m.version AS what
FROM memories AS m LEFT JOIN memory_entries AS e
  ON e.namespace = m.namespace AND e.key = m.key AND e.version = m.version
WHERE e.id IS NULL
  AND EXISTS (SELECT 1 FROM memory_entries AS o WHERE o.namespace = m.namespace AND o.key = m.key)
LIMIT :limit;

-- name: check_memory_empty
SELECT 'memories' AS tbl, CAST(m.id AS TEXT) AS row_key, NULL AS task_id,
  'memory ' || m.namespace || ' ' || m.key || ' has no version at all' AS what
FROM memories AS m
WHERE NOT EXISTS (
  SELECT 1 FROM memory_entries AS o WHERE o.namespace = m.namespace AND o.key = m.key)
LIMIT :limit;

-- name: check_version_without_memory
SELECT 'memory_entries' AS tbl, CAST(e.id AS TEXT) AS row_key, NULL AS task_id,
  'version ' || e.version || ' of memory ' || e.namespace || ' ' || e.key
  || ' belongs to no memory, or is newer than it' AS what
FROM memory_entries AS e LEFT JOIN memories AS m
  ON m.namespace = e.namespace AND m.key = e.key
WHERE (m.id IS NULL OR e.version > m.version) AND NOT EXISTS (
  SELECT 1 FROM memory_entries AS o
  WHERE o.namespace = e.namespace AND o.key = e.key AND o.version > e.version)
LIMIT :limit;

-- name: check_memory_passage
SELECT 'memories' AS tbl, CAST(m.id AS TEXT) AS row_key, NULL AS task_id,
  'memory ' || m.namespace || ' ' || m.key
  || CASE WHEN m.deleted_at IS NULL THEN ' can''t be found'
     ELSE ' is deleted, but can be found' END AS what
FROM memories AS m LEFT JOIN (
  SELECT memory_id, count(*) AS n FROM passages WHERE memory_id IS NOT NULL GROUP BY memory_id
) AS p ON p.memory_id = m.id
WHERE coalesce(p.n, 0) <> CASE WHEN m.deleted_at IS NULL THEN 1 ELSE 0 END LIMIT :limit;

-- name: check_document_passages
SELECT 'document_index' AS tbl, CAST(d.id AS TEXT) AS row_key, NULL AS task_id,
  'document ' || d.file_path || ' has ' || coalesce(p.n, 0) || ' parts instead of '
  || d.chunk_count AS what
FROM document_index AS d LEFT JOIN (
  SELECT document_id, count(*) AS n FROM passages WHERE document_id IS NOT NULL
  GROUP BY document_id
) AS p ON p.document_id = d.id
WHERE d.sync_status = 'synced' AND coalesce(p.n, 0) <> d.chunk_count LIMIT :limit;

-- name: check_passage_owner
SELECT 'passages' AS tbl, CAST(p.id AS TEXT) AS row_key, NULL AS task_id,
  'passage ' || p.id || ' belongs to nothing, or to two things' AS what
FROM passages AS p WHERE (p.memory_id IS NULL) = (p.document_id IS NULL) LIMIT :limit;

-- name: check_vector_length
SELECT 'vectors' AS tbl, CAST(v.passage_id AS TEXT) AS row_key, NULL AS task_id,
  'the vector of passage ' || v.passage_id || ' has not ' || v.dimension || ' numbers' AS what
FROM vectors AS v WHERE length(v.vector) <> 4 * v.dimension LIMIT :limit;

-- name: check_vector_unlisted
SELECT 'vector_blocks' AS tbl, v.model AS row_key, NULL AS task_id,
  (v.n - coalesce(b.n, 0)) || ' vectors of model ' || v.model
  || ' can''t be found; run `abathur mem embed`' AS what
FROM (SELECT model, count(*) AS n FROM vectors GROUP BY model) AS v LEFT JOIN (
  SELECT model, sum(length(ids) / 8) AS n FROM vector_blocks GROUP BY model
) AS b ON b.model = v.model
WHERE v.n > coalesce(b.n, 0)
  AND NOT EXISTS (SELECT 1 FROM vector_blocks AS o WHERE o.model <> v.model) LIMIT :limit;
