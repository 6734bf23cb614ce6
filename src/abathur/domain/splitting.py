"""Parts of a task that was too big for one run, as its agent names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from abathur.domain.tasks import JsonObject, Task

MOST_PARTS: Final = 20
MOST_TOLD: Final = 400
"""Characters that are told of a part that ended badly."""
SPLIT: Final = "split"
"""The phase of an iteration in which its agent names parts instead of doing the work."""
JOIN: Final = "join"
"""The phase after that: what the parts have landed is there to go on from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    description: str
    summary: str = ""
    agent_type: str | None = None
    needs: tuple[str, ...] = ()
    """Names of others."""
    touches: tuple[str, ...] = ()
    input_data: Mapping[str, Any] = field(default_factory=dict)


def parts_of(content: JsonObject) -> Sequence[Part]:
    """What a result names as `deliverables.tasks`, up to `MOST_PARTS`.

    What has no description isn't taken: a task that the agent has queued itself, for one.
    """
    deliverables = content.get("deliverables")
    given = deliverables.get("tasks") if isinstance(deliverables, Mapping) else None
    listed = given if isinstance(given, list | tuple) else ()
    found = [_part(place, one) for place, one in enumerate(listed, 1) if isinstance(one, Mapping)]
    named = {one.name: one for one in found if one.description.strip()}
    return [one for one in named.values() if set(one.needs) <= named.keys()][:MOST_PARTS]


def lost_part(task: Task) -> str:
    """One that has ended badly, and why, for the agent of the whole; on one line."""
    why = " ".join((task.error_message or "").split())
    told = f"{task.summary} ({task.status}{f': {why}' if why else ''})"
    return told if len(told) <= MOST_TOLD else f"{told[: MOST_TOLD - 1]}…"


def _part(place: int, given: Mapping[str, Any]) -> Part:
    text = {
        key: value.strip()
        for key in ("name", "description", "summary", "agent_type")
        if isinstance(value := given.get(key), str)
    }
    data = given.get("input_data")
    return Part(
        name=text.get("name") or f"part-{place}",
        description=text.get("description", ""),
        summary=" ".join(text.get("summary", "").split())[:140],
        agent_type=text.get("agent_type") or None,
        needs=_words(given.get("needs")),
        touches=_words(given.get("touches")),
        input_data=data if isinstance(data, Mapping) else {},
    )


def _words(given: object) -> tuple[str, ...]:
    listed = given if isinstance(given, list | tuple) else ()
    return tuple(one for one in listed if isinstance(one, str))
