"""Abathur: a durable task queue and a swarm of coding agents for one git repository."""

__version__ = "0.1.0"
