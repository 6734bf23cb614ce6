-- How the bits of `signs` are ordered: those of one vector after another, or of all vectors the first
-- bits, then the second ones, and so on. Blocks that are full are written as slices.
ALTER TABLE vector_blocks ADD COLUMN layout TEXT NOT NULL DEFAULT 'rows'
  CHECK (layout IN ('rows', 'slices'));
