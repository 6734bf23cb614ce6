-- `websearch_to_tsquery` takes any text and never fails; quotes and OR mean to it what they mean to
-- FTS5.
-- name: passages_with_word
SELECT count(*) AS n FROM (
  SELECT 1 FROM passages AS p
  WHERE p.lexemes @@ websearch_to_tsquery('english', :word) LIMIT :limit
) AS found;

-- name: passages_by_words
SELECT p.id FROM passages AS p
CROSS JOIN (SELECT websearch_to_tsquery('english', :words) AS wanted) AS q
WHERE p.lexemes @@ q.wanted
ORDER BY ts_rank_cd(p.lexemes, q.wanted, 1) DESC, p.id LIMIT :limit;

-- name: passages_by_pairs
SELECT p.id FROM passages AS p
JOIN json_array_elements_text(:pairs::json) AS w (pair)
  ON strpos(p.heading || ' ' || p.text, w.pair) > 0
GROUP BY p.id ORDER BY count(*) DESC, p.id LIMIT :limit;

-- name: passages_memory_words
SELECT p.id
FROM passages AS p
JOIN memories AS m ON m.id = p.memory_id
CROSS JOIN (SELECT websearch_to_tsquery('english', :words) AS wanted) AS q
WHERE p.lexemes @@ q.wanted
  AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)
  AND (:namespace IS NULL OR m.namespace = :namespace
    OR (m.namespace >= :namespace || ':' AND m.namespace < :namespace || ';'))
  AND (:types IS NULL OR m.memory_type IN (SELECT value FROM json_each(:types)))
  AND (:author IS NULL OR m.created_by = :author OR m.updated_by = :author)
  AND (:since IS NULL OR m.updated_at >= :since)
  AND (:until IS NULL OR m.updated_at < :until)
ORDER BY ts_rank_cd(p.lexemes, q.wanted, 1) DESC, p.id LIMIT :limit;

-- name: passages_document_words
SELECT p.id
FROM passages AS p
JOIN document_index AS d ON d.id = p.document_id
CROSS JOIN (SELECT websearch_to_tsquery('english', :words) AS wanted) AS q
WHERE p.lexemes @@ q.wanted
  AND (:namespace IS NULL OR d.namespace = :namespace
    OR (d.namespace >= :namespace || ':' AND d.namespace < :namespace || ';'))
  AND (:under IS NULL OR d.file_path = :under
    OR (d.file_path >= :under || '/' AND d.file_path < :under || '0'))
ORDER BY ts_rank_cd(p.lexemes, q.wanted, 1) DESC, p.id LIMIT :limit;
