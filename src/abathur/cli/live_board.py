"""What a person wants to see of a swarm: fed by events, put right by the database."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from abathur.cli.text import clean
from abathur.domain.pools import Pool
from abathur.domain.tasks import TaskStatus
from abathur.services.reading import Running, SwarmStatus
from abathur.swarm.events import SwarmEvent, SwarmEventKind

KEPT_LANDINGS: Final = 5
KEPT_WARNINGS: Final = 4
LONGEST: Final = 300

_K = SwarmEventKind
_ENDS: Final = frozenset({_K.TASK_COMPLETED, _K.TASK_FAILED, _K.TASK_CANCELLED, _K.TASK_WAITS})
_WARNINGS: Final = frozenset(
    {
        _K.WARNING,
        _K.NEEDS_PERSON,
        _K.TASK_FAILED,
        _K.LANDING_REFUSED,
        _K.TASK_TAKEN_BACK,
        _K.WORK_SALVAGED,
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """A task under way."""

    task_id: str
    summary: str
    agent_type: str
    since: datetime
    last: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    task_id: str | None
    summary: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The board at one moment."""

    started_at: datetime
    counts: Mapping[TaskStatus, int] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    landings: tuple[Note, ...] = ()
    warnings: tuple[Note, ...] = ()
    pools: tuple[Pool, ...] = ()
    """Providers' limits, counted down while they are used up."""
    said: str = ""
    """What the swarm says about itself, like that it is stopping."""


class Board:
    """Fed on the swarm's loop, read by the thread that draws."""

    def __init__(self, started_at: datetime) -> None:
        self._lock = threading.Lock()
        self._started_at = started_at
        self._counts: Mapping[TaskStatus, int] = {}
        self._rows: dict[str, Row] = {}
        self._landings: deque[Note] = deque(maxlen=KEPT_LANDINGS)
        self._warnings: deque[Note] = deque(maxlen=KEPT_WARNINGS)
        self._pools: tuple[Pool, ...] = ()
        self._said = ""

    def take(self, event: SwarmEvent) -> None:
        with self._lock:
            if event.task_id is not None:
                self._take_row(event, event.task_id)
            note = Note(event.task_id, harmless(event.summary), harmless(event.text))
            if event.kind is _K.TASK_COMPLETED:
                self._landings.append(note)
            elif event.kind in _WARNINGS:
                self._warnings.append(note)
            elif event.kind is _K.SWARM_STOPPING:
                self._said = self._said or note.text

    def _take_row(self, event: SwarmEvent, task_id: str) -> None:
        if event.kind in _ENDS:
            self._rows.pop(task_id, None)
        elif event.kind in {_K.TASK_CLAIMED, _K.AGENT_STARTED} and task_id not in self._rows:
            summary, agent_type = harmless(event.summary), harmless(event.agent_type)
            self._rows[task_id] = Row(task_id, summary, agent_type, event.at)
        elif task_id in self._rows and event.kind not in _WARNINGS:
            self._rows[task_id] = replace(self._rows[task_id], last=harmless(event.text))

    def put_right(self, status: SwarmStatus) -> None:
        """Events may be lost, and other workers' don't come here; the database knows them all."""
        with self._lock:
            self._counts = dict(status.counts)
            self._pools = tuple(status.pools)
            self._rows = {one.task.id: self._merged(one) for one in status.running}

    def _merged(self, running: Running) -> Row:
        """What was heard of an agent is newer than what is written down about it."""
        row = row_of(running)
        heard = self._rows.get(row.task_id)
        if heard is None or not heard.last or running.landing is not None:
            return row
        return replace(row, last=heard.last)

    def say(self, text: str) -> None:
        with self._lock:
            self._said = harmless(text)

    def picture(self) -> Picture:
        with self._lock:
            return Picture(
                started_at=self._started_at,
                counts=self._counts,
                rows=tuple(self._rows.values()),
                landings=tuple(self._landings),
                warnings=tuple(self._warnings),
                pools=self._pools,
                said=self._said,
            )


def row_of(running: Running) -> Row:
    task = running.task
    began = running.attempt.started_at if running.attempt else task.started_at
    last = running.last_event.text if running.last_event else ""
    if running.landing is not None:
        last = f"landing on {running.landing.target}: {running.landing.state}"
    since = began or task.last_updated_at
    return Row(task.id, harmless(task.summary), harmless(task.agent_type), since, harmless(last))


def harmless(text: str) -> str:
    """One short line that can do nothing to a terminal: what agents say is not to be trusted."""
    return " ".join(clean(text[:LONGEST]).split())
