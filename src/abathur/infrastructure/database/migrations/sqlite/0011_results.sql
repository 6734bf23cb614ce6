-- Which text of its definition an agent ran with, and what it handed over.
ALTER TABLE attempts ADD COLUMN definition_version TEXT;
ALTER TABLE attempts ADD COLUMN result TEXT;
