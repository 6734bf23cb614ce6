"""Who says what texts mean: a small model in a folder, or a server nearby."""
