-- Why an attempt was given its model, where a rule has chosen it.
ALTER TABLE attempts ADD COLUMN model_choice TEXT;
