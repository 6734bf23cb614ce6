"""A model server on this machine that plays a script, for tests and demonstrations of agents."""
