-- name: passages_of_memory
INSERT INTO passages (memory_id, heading, text) VALUES (:memory_id, :heading, :text);

-- name: passages_drop_memory
DELETE FROM passages WHERE memory_id = :memory_id;

-- name: passages_of_document
INSERT INTO passages (document_id, heading, text, first_line, last_line)
VALUES (:document_id, :heading, :text, :first_line, :last_line);

-- name: passages_count
SELECT count(*) AS n FROM passages;

-- name: passages_drop_document
DELETE FROM passages WHERE document_id = :document_id;

-- name: passages_by_ids
SELECT p.id, p.memory_id, p.document_id, p.heading, p.text, p.first_line, p.last_line,
  d.file_path, d.namespace
FROM passages AS p LEFT JOIN document_index AS d ON d.id = p.document_id
WHERE p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids));
