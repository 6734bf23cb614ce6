"""Swarms that are killed and hindered on purpose, and proof that nothing was lost by it.

Nothing here is imported by a swarm that does real work: the points at which one dies are put into
it from outside, in a process of our own (`victim.py`).
"""
