-- What passages mean, by the model that says so: unit vectors of 32-bit floats, little-endian.
CREATE TABLE vectors (
  passage_id INTEGER PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE,
  model TEXT NOT NULL,
  dimension INTEGER NOT NULL CHECK (dimension > 0),
  vector BLOB NOT NULL
);

CREATE INDEX vectors_by_model ON vectors (model, passage_id);

-- The signs of many vectors in one row, a bit each, so that all are read and compared at once. Rows
-- are never changed. `ids` are those of passages, 64 bits each; some may be gone.
CREATE TABLE vector_blocks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL CHECK (source IN ('memory', 'document')),
  model TEXT NOT NULL,
  ids BLOB NOT NULL,
  signs BLOB NOT NULL
);

CREATE INDEX vector_blocks_by_source ON vector_blocks (source, model, id);
