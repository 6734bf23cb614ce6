-- Which text of its definition an agent ran with, and what it handed over.
ALTER TABLE attempts ADD COLUMN definition_version TEXT COLLATE "C";
ALTER TABLE attempts ADD COLUMN result TEXT COLLATE "C";
