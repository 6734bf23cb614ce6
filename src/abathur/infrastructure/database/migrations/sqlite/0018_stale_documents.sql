-- What an older version had indexed: its parts aren't known here, so it has to be indexed again.
UPDATE document_index SET sync_status = 'stale'
WHERE sync_status = 'synced' AND chunk_count > 0
  AND NOT EXISTS (SELECT 1 FROM passages AS p WHERE p.document_id = document_index.id);
