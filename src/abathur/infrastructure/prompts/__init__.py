"""Prompts from Jinja templates: the built-in ones, and those of the project over them."""
