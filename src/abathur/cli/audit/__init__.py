"""The commands that read the audit trail."""
