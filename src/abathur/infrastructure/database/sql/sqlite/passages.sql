-- name: passages_with_word
SELECT count(*) AS n FROM (
  SELECT 1 FROM passage_words WHERE passage_words MATCH :word LIMIT :limit
) AS found;

-- What a filter lets through is looked up afterwards: looking it up for all that have the words
-- would take several times as long as ranking them does.
-- name: passages_by_words
SELECT rowid AS id FROM passage_words WHERE passage_words MATCH :words
ORDER BY bm25(passage_words, 2.0, 1.0), rowid LIMIT :limit;

-- name: passages_by_pairs
SELECT p.id FROM passages AS p
JOIN json_each(:pairs) AS w ON instr(p.heading || ' ' || p.text, w.value) > 0
GROUP BY p.id ORDER BY count(*) DESC, p.id LIMIT :limit;

-- Smaller is better: bm25() of FTS5 is negative. A word in the heading counts for two in the text.
-- name: passages_memory_words
SELECT p.id FROM passage_words
JOIN passages AS p ON p.id = passage_words.rowid
JOIN memories AS m ON m.id = p.memory_id
WHERE passage_words MATCH :words
  AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)
  AND (:namespace IS NULL OR m.namespace = :namespace
    OR (m.namespace >= :namespace || ':' AND m.namespace < :namespace || ';'))
  AND (:types IS NULL OR m.memory_type IN (SELECT value FROM json_each(:types)))
  AND (:author IS NULL OR m.created_by = :author OR m.updated_by = :author)
  AND (:since IS NULL OR m.updated_at >= :since)
  AND (:until IS NULL OR m.updated_at < :until)
ORDER BY bm25(passage_words, 2.0, 1.0), p.id LIMIT :limit;

-- name: passages_document_words
SELECT p.id FROM passage_words
JOIN passages AS p ON p.id = passage_words.rowid
JOIN document_index AS d ON d.id = p.document_id
WHERE passage_words MATCH :words
  AND (:namespace IS NULL OR d.namespace = :namespace
    OR (d.namespace >= :namespace || ':' AND d.namespace < :namespace || ';'))
  AND (:under IS NULL OR d.file_path = :under
    OR (d.file_path >= :under || '/' AND d.file_path < :under || '0'))
ORDER BY bm25(passage_words, 2.0, 1.0), p.id LIMIT :limit;
