"""Refining a task over several iterations, and choosing among candidates. Pure."""
