"""Recovering rows from a damaged SQLite file, which is read as bytes and never opened."""
