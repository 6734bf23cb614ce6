"""Which events of a swarm call a person, and handing them to whoever does the calling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime

from abathur.domain.masking import masked
from abathur.domain.needs import Need, Notice
from abathur.swarm.events import Sink, SwarmEvent, SwarmEventKind


class Caller:
    """Between a swarm and its sink. Made on the swarm's event loop."""

    def __init__(self, sink: Sink, now: Callable[[], datetime], project: str) -> None:
        self._sink, self._now, self._project = sink, now, project
        self._channels: Sequence[Callable[[Notice], None]] = ()
        self._about: Collection[Need] = ()
        self._loop = asyncio.get_running_loop()
        self._has_started = False

    def call_by(
        self, channels: Sequence[Callable[[Notice], None]], about: Collection[Need]
    ) -> None:
        """Hand what is about these needs to these channels, each of which returns at once."""
        self._channels, self._about = channels, about

    def sink(self, event: SwarmEvent) -> None:
        self._sink(event)
        self._has_started |= event.kind is SwarmEventKind.SWARM_STARTED
        if notice := notice_of(event, self._project):
            self._call(notice)

    def ended_by(self, error: BaseException) -> None:
        """Who started a swarm sees why it doesn't start; why it ends they may not see."""
        if self._has_started:
            self._call(notice_of_error(error, self._project, self._now()))

    def complain(self, text: str) -> None:
        """Tell of a notice that wasn't sent. May be called from any thread."""
        warning = SwarmEvent(kind=SwarmEventKind.WARNING, at=self._now(), text=text)
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._sink, warning)

    def _call(self, notice: Notice) -> None:
        if notice.need in self._about:
            for put in self._channels:
                put(notice)


def notice_of(event: SwarmEvent, project: str) -> Notice | None:
    """The notice that the event is worth, None for most."""
    if event.kind is SwarmEventKind.TASK_FAILED:
        need = Need.TASK_FAILED
    elif event.kind is SwarmEventKind.NEEDS_PERSON:
        need = Need(event.data["need"])
    else:
        return None
    return Notice(
        need=need,
        text=masked(event.text),
        project=project,
        at=event.at,
        task_id=event.task_id,
        summary=masked(event.summary),
    )


def notice_of_error(error: BaseException, project: str, at: datetime) -> Notice:
    """That the swarm was ended by this error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    told = " ".join(str(error).split()) or type(error).__name__
    text = masked(f"the swarm was ended by an error: {told}")
    return Notice(need=Need.SWARM_ERROR, text=text, project=project, at=at)
