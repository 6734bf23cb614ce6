"""The commands about documents."""
