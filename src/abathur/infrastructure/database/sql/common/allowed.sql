-- Which passages a filter lets through: of some, or of all that there are.

-- name: passages_memory_allowed
SELECT p.id FROM passages AS p JOIN memories AS m ON m.id = p.memory_id
WHERE p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))
  AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)
  AND (:namespace IS NULL OR m.namespace = :namespace
    OR (m.namespace >= :namespace || ':' AND m.namespace < :namespace || ';'))
  AND (:types IS NULL OR m.memory_type IN (SELECT value FROM json_each(:types)))
  AND (:author IS NULL OR m.created_by = :author OR m.updated_by = :author)
  AND (:since IS NULL OR m.updated_at >= :since)
  AND (:until IS NULL OR m.updated_at < :until);

-- name: passages_memory_all
SELECT p.id FROM passages AS p JOIN memories AS m ON m.id = p.memory_id
WHERE m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)
  AND (:namespace IS NULL OR m.namespace = :namespace
    OR (m.namespace >= :namespace || ':' AND m.namespace < :namespace || ';'))
  AND (:types IS NULL OR m.memory_type IN (SELECT value FROM json_each(:types)))
  AND (:author IS NULL OR m.created_by = :author OR m.updated_by = :author)
  AND (:since IS NULL OR m.updated_at >= :since)
  AND (:until IS NULL OR m.updated_at < :until);

-- name: passages_document_allowed
SELECT p.id FROM passages AS p JOIN document_index AS d ON d.id = p.document_id
WHERE p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))
  AND (:namespace IS NULL OR d.namespace = :namespace
    OR (d.namespace >= :namespace || ':' AND d.namespace < :namespace || ';'))
  AND (:under IS NULL OR d.file_path = :under
    OR (d.file_path >= :under || '/' AND d.file_path < :under || '0'));

-- name: passages_document_all
SELECT p.id FROM passages AS p JOIN document_index AS d ON d.id = p.document_id
WHERE (:namespace IS NULL OR d.namespace = :namespace
    OR (d.namespace >= :namespace || ':' AND d.namespace < :namespace || ';'))
  AND (:under IS NULL OR d.file_path = :under
    OR (d.file_path >= :under || '/' AND d.file_path < :under || '0'));
