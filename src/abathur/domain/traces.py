"""Ids of traces, made from those of tasks: whoever tells of a task names the same trace.

As W3C Trace Context has them: https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import hashlib
from uuid import UUID


def trace_id(task_id: str) -> int:
    """128 bits, never 0: those of the task's id where it is a UUID, so that a person finds it."""
    try:
        found = UUID(task_id).int
    except ValueError:
        found = _digest(task_id, 16)
    return found or 1


def span_id(task_id: str, *place: object) -> int:
    """64 bits, never 0, the same for the same task and place in it; without a place its root."""
    return _digest("/".join(map(str, (task_id, *place))), 8) or 1


def traceparent(task_id: str, *place: object, is_sampled: bool) -> str:
    """The header that makes what a program traces a part of this span."""
    flags = 1 if is_sampled else 0
    return f"00-{trace_id(task_id):032x}-{span_id(task_id, *place):016x}-{flags:02x}"


def _digest(text: str, size: int) -> int:
    data = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()
    return int.from_bytes(data, "big")
