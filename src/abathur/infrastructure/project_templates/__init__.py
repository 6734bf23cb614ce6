"""Project templates: where they come from, and what they leave in a project."""
