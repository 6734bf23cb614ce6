"""The commands that look after the database."""
