"""Commands for who develops or tests agents."""
