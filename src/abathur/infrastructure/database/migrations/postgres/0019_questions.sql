-- An agent can ask a person something of its own.
ALTER TABLE reviews DROP CONSTRAINT reviews_kind_check;
ALTER TABLE reviews ADD CONSTRAINT reviews_kind_check
  CHECK (kind IN ('landing', 'permission', 'question'));
