"""The commands that read and write memories."""
