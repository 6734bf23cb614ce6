-- What a file of an older version held and no other table has a place for: whole rows, as they
-- were, with the reason. Blobs are {"$base64": ...}.
CREATE TABLE legacy_rows (
  id INTEGER PRIMARY KEY,
  source_table TEXT NOT NULL,
  source_key TEXT NOT NULL,
  content TEXT NOT NULL CHECK (json_valid(content)),
  reason TEXT NOT NULL
);

CREATE INDEX legacy_rows_by_source ON legacy_rows (source_table, source_key);
