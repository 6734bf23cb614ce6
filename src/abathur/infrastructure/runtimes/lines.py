"""Lines of an agent program's stream of JSON, told in our vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from abathur.domain.runs import EventKind, RunEvent
from abathur.infrastructure.runtimes.output import objects, one_line

Message = Mapping[str, Any]
Reader = Callable[[Message], Iterable[RunEvent]]


def events_in(line: str, tell: Reader) -> tuple[RunEvent, ...]:
    """What `tell` says of each object in the line. What isn't an object is kept, as a raw event."""
    found, rest = objects(line)
    events = [event for message in found for event in tell(message)]
    if rest:
        events.append(RunEvent(EventKind.RAW, one_line(rest)))
    return tuple(events)


def events_by_kind(
    message: Message, kind: str, readers: Mapping[str, Reader]
) -> Iterable[RunEvent]:
    """What the reader of its kind says. A kind of a newer version is kept by its name."""
    reader = readers.get(kind)
    return reader(message) if reader else (RunEvent(EventKind.RAW, one_line(kind)),)
