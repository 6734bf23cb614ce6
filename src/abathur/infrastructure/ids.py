"""Ids of new records: UUID version 7 (RFC 9562), whose text order is the order of making."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache

_lock = threading.Lock()
_last_millisecond = 0


def new_id() -> str:
    """A UUIDv7 whose millisecond no other id of this process has.

    So two ids made here differ within their first 13 characters, and these are enough to name a
    task. A burst runs ahead of the clock by as many milliseconds as it makes ids too many.
    """
    return str(_uuid7()(nanoseconds=_next_millisecond() * 1_000_000))


@cache
def _uuid7() -> Callable[..., object]:
    """Imported once: to look for it takes as long as making an id."""
    from uuid_utils import uuid7

    return uuid7


def _next_millisecond() -> int:
    global _last_millisecond  # noqa: PLW0603 - one sequence for the whole process
    with _lock:
        _last_millisecond = max(_last_millisecond + 1, time.time_ns() // 1_000_000)
        return _last_millisecond
