-- name: documents_get
SELECT * FROM document_index WHERE file_path = :file_path;

-- name: documents_select
SELECT * FROM document_index
WHERE (:namespace IS NULL OR namespace = :namespace
    OR (namespace >= :namespace || ':' AND namespace < :namespace || ';'))
  AND (:under IS NULL OR file_path = :under
    OR (file_path >= :under || '/' AND file_path < :under || '0'))
  AND file_path > coalesce(:after, '')
ORDER BY file_path LIMIT :limit;

-- name: documents_save
INSERT INTO document_index (
  file_path, title, document_type, content_hash, chunk_count, metadata, last_synced_at,
  sync_status, created_at, updated_at, namespace
) VALUES (
  :file_path, :title, :document_type, :content_hash, :chunk_count, :metadata, :last_synced_at,
  'synced', :updated_at, :updated_at, :namespace
)
ON CONFLICT (file_path) DO UPDATE SET
  title = excluded.title, document_type = excluded.document_type,
  content_hash = excluded.content_hash, chunk_count = excluded.chunk_count,
  metadata = excluded.metadata, last_synced_at = excluded.last_synced_at, sync_status = 'synced',
  updated_at = excluded.updated_at, namespace = excluded.namespace,
  embedding_model = NULL, embedding_blob = NULL
RETURNING id;

-- name: documents_remove
DELETE FROM document_index WHERE id = :id;
