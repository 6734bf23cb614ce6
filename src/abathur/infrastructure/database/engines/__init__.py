"""Database engines: what drives one kind of database, behind one protocol."""
