"""The use cases: one verb, one transaction, its audit entries inside it."""
