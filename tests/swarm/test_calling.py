"""Which events of a swarm are worth a notice."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from abathur.domain.needs import Need, Notice
from abathur.swarm.calling import Caller
from abathur.swarm.events import SwarmEvent, SwarmEventKind

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


def event(kind: SwarmEventKind, text: str = "it broke", **data: Any) -> SwarmEvent:
    return SwarmEvent(kind=kind, at=NOON, text=text, task_id="t", summary="Do it", data=data)


def made(*about: Need) -> tuple[Caller, list[SwarmEvent], list[Notice]]:
    seen: list[SwarmEvent] = []
    called: list[Notice] = []
    caller = Caller(seen.append, lambda: NOON, "hello")
    caller.call_by([called.append], about)
    return caller, seen, called


async def test_what_needs_a_person_is_called_and_everything_passes() -> None:
    caller, seen, called = made(*Need)
    events = [
        event(SwarmEventKind.SWARM_STARTED),
        event(SwarmEventKind.TASK_FAILED, "token=abcdef is wrong"),
        event(SwarmEventKind.NEEDS_PERSON, "May it?", need="review"),
        event(SwarmEventKind.WARNING),
    ]
    for one in events:
        caller.sink(one)
    assert seen == events
    assert [(one.need, one.text) for one in called] == [
        (Need.TASK_FAILED, "token=[REDACTED] is wrong"),
        (Need.REVIEW, "May it?"),
    ]


async def test_only_what_was_chosen_is_called() -> None:
    caller, _, called = made(Need.HOLD)
    caller.sink(event(SwarmEventKind.TASK_FAILED))
    assert called == []


async def test_an_error_that_ends_a_running_swarm_is_called() -> None:
    caller, _, called = made(*Need)
    caller.ended_by(OSError("seen by who starts it"))
    assert called == []
    caller.sink(event(SwarmEventKind.SWARM_STARTED))
    caller.ended_by(ExceptionGroup("loops", [OSError("the disk\nis gone")]))
    assert [one.text for one in called] == ["the swarm was ended by an error: the disk is gone"]


async def test_a_complaint_of_a_thread_reaches_the_sink() -> None:
    caller, seen, _ = made(*Need)
    await asyncio.to_thread(caller.complain, "not sent")
    await asyncio.sleep(0)
    assert [(one.kind, one.text) for one in seen] == [(SwarmEventKind.WARNING, "not sent")]
