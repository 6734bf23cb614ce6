"""The rules of the queue, pure: no I/O, no clock, no randomness, no third-party import."""
