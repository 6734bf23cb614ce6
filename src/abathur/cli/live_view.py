"""Showing a swarm at work: a picture that redraws itself on a terminal, else a line per event."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from abathur.cli import output
from abathur.cli.live_board import Board, Note, Picture, Row, harmless
from abathur.cli.output import status_colour
from abathur.cli.pool_view import pool_lines
from abathur.cli.text import SHORT_ID, elapsed, short
from abathur.domain.runs import EventKind
from abathur.domain.tasks import TaskStatus
from abathur.services.reading import SwarmStatus
from abathur.swarm.events import SwarmEvent, SwarmEventKind

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

REFRESHES_PER_SECOND: Final = 4
MAX_WAITING_LINES: Final = 10_000
SECONDS_TO_FINISH: Final = 5.0
"""For a reader of our lines that is slow; one that has stopped reading doesn't keep us."""
WHAT_WIDTH: Final = 15
FIXED_LINES: Final = 3
"""Header, its blank line, and the last line that a terminal needs to stay where it is."""

SHOWN_FIRST: Final = (
    TaskStatus.RUNNING,
    TaskStatus.READY,
    TaskStatus.PENDING,
    TaskStatus.BLOCKED,
    TaskStatus.COMPLETED,
    TaskStatus.FAILED,
    TaskStatus.CANCELLED,
)


class View(Protocol):
    def __enter__(self) -> View: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def lost(self) -> int:
        """Events that couldn't be shown."""
        ...

    def sink(self, event: SwarmEvent) -> None:
        """Meets `swarm.events.Sink`: returns at once and never raises."""
        ...

    def say(self, text: str) -> None:
        """Show a word of the command's own."""
        ...

    def put_right(self, status: SwarmStatus) -> None: ...


def terminal() -> Console | None:
    """Rich's terminal when stdout is one that a picture can be drawn on again and again."""
    can_redraw = os.environ.get("TERM", "dumb") != "dumb" and output.has_unicode()
    if not (output.is_terminal() and can_redraw):
        return None
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def make_view(now: Callable[[], datetime], *, as_json: bool) -> View:
    """A live picture on a terminal, else lines on stdout; to be entered."""
    if as_json:
        return PlainView(output.write, output.say, json_line)
    console = terminal()
    return PlainView(output.write, output.say) if console is None else LiveView(console, now)


class PlainView:
    """A thread of its own writes the lines, so that a full pipe doesn't hold up the swarm."""

    def __init__(
        self,
        write: Callable[[str], None],
        say: Callable[[str], None],
        line: Callable[[SwarmEvent], str] | None = None,
    ) -> None:
        self._write, self._say, self._line = write, say, line or plain_line
        self._is_wanted = is_news if line is None else lambda event: True
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._keep_writing, daemon=True)
        self.lost = 0

    def __enter__(self) -> PlainView:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.put(None)
        self._thread.join(SECONDS_TO_FINISH)

    def sink(self, event: SwarmEvent) -> None:
        try:
            if self._is_wanted(event):
                self._put(self._line(event))
        except Exception:  # a view is no reason for a swarm to end
            self.lost += 1

    def say(self, text: str) -> None:
        self._say(harmless(text))

    def put_right(self, status: SwarmStatus) -> None:
        pass

    def _put(self, line: str) -> None:
        if self._lines.qsize() < MAX_WAITING_LINES:
            self._lines.put(line)
        else:
            self.lost += 1

    def _keep_writing(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write(line)
            except Exception:  # nobody reads any more; the swarm works on
                self.lost += 1


class LiveView:
    def __init__(self, console: Console, now: Callable[[], datetime]) -> None:
        self._console, self._now = console, now
        self._board = Board(now())
        self._live: Live | None = None
        self.lost = 0

    def __enter__(self) -> LiveView:
        from rich.live import Live

        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def sink(self, event: SwarmEvent) -> None:
        try:
            self._board.take(event)
        except Exception:  # a view is no reason for a swarm to end
            self.lost += 1

    def say(self, text: str) -> None:
        self._board.say(text)

    def put_right(self, status: SwarmStatus) -> None:
        self._board.put_right(status)

    def _draw(self) -> Group | Text:
        from rich.text import Text

        try:
            return drawing(self._board.picture(), self._now(), self._console.height)
        except Exception:  # would end the thread that draws
            self.lost += 1
            return Text("")


def plain_line(event: SwarmEvent) -> str:
    """`HH:MM:SS  ID  what happened  its text  (task's summary)`, in local time."""
    what = event.kind.replace("_", " ")
    text, summary = harmless(event.text), harmless(event.summary)
    if event.kind is SwarmEventKind.AGENT_EVENT:
        what = f"agent {event.data.get('kind', 'event')}".replace("_", " ")
        summary = ""
    elif what.endswith(text):
        text, summary = summary, ""
    shown = f"{text}  ({summary})" if summary else text
    head = f"{event.at.astimezone():%H:%M:%S}  {_short(event.task_id):{SHORT_ID}}"
    return f"{head}  {harmless(what):{WHAT_WIDTH}}  {shown}".rstrip()


def is_news(event: SwarmEvent) -> bool:
    """Whether the agent's own word that it has started would be the second one about that."""
    is_agents = event.kind is SwarmEventKind.AGENT_EVENT
    return not (is_agents and event.data.get("kind") == EventKind.STARTED)


def json_line(event: SwarmEvent) -> str:
    from abathur.cli import shapes

    return output.json_line(shapes.swarm_event(event))


def _short(task_id: str | None) -> str:
    return short(task_id) if task_id else "-"


def drawing(picture: Picture, now: datetime, height: int) -> Group:
    """The picture in at most `height` lines. What doesn't fit is counted instead."""
    from rich.console import Group
    from rich.text import Text

    notes = [
        *_limits(picture, now),
        *_notes("landed", picture.landings, "green"),
        *_notes("to look at", picture.warnings, "yellow"),
    ]
    room = height - FIXED_LINES - bool(picture.said)
    notes = notes[: max(0, room - min(len(picture.rows) + 1, room // 2))]
    parts: list[Text | Table] = [_header(picture, now)]
    if picture.said:
        parts.append(Text(picture.said, "bold yellow", no_wrap=True, overflow="ellipsis"))
    parts += [Text(""), *_agents(picture.rows, now, max(1, room - len(notes))), *notes]
    return Group(*parts)


def _header(picture: Picture, now: datetime) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("abathur ", "bold").append(elapsed(picture.started_at, now))
    for status in SHOWN_FIRST:
        count = picture.counts.get(status, 0)
        if count:
            text.append("  ").append(f"{count} {status}", status_colour(status) or "")
    return text


def _agents(rows: tuple[Row, ...], now: datetime, room: int) -> Iterator[Table | Text]:
    from rich.text import Text

    if not rows:
        yield Text("no agent is running", "dim")
        return
    shown = rows if len(rows) <= room else rows[: max(0, room - 1)]
    if shown:
        yield _table(shown, now)
    if len(shown) < len(rows):
        yield Text(f"and {len(rows) - len(shown)} more", "dim")


def _table(rows: tuple[Row, ...], now: datetime) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=SHORT_ID, no_wrap=True)
    table.add_column(ratio=5, no_wrap=True, overflow="ellipsis")
    table.add_column(max_width=12, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=4, no_wrap=True, overflow="ellipsis")
    for row in rows:
        # Texts, not strings: what agents say isn't markup.
        table.add_row(
            Text(_short(row.task_id), "cyan"),
            Text(row.summary),
            Text(row.agent_type, "dim"),
            Text(elapsed(row.since, now)),
            Text(row.last, "dim"),
        )
    return table


def _limits(picture: Picture, now: datetime) -> Iterator[Text]:
    from rich.text import Text

    for line in pool_lines(picture.pools, now):
        yield Text(line, "yellow", no_wrap=True, overflow="ellipsis")


def _notes(title: str, notes: tuple[Note, ...], style: str) -> Iterator[Text]:
    from rich.text import Text

    if notes:
        yield Text(title, style)
    for note in notes:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"  {_short(note.task_id):{SHORT_ID}}  ")
        line.append(f"{note.text}  ").append(note.summary, "dim")
        yield line


def counts_line(counts: Mapping[TaskStatus, int]) -> str:
    """`2 running, 5 ready`; what there is none of is left out."""
    told = [f"{counts[status]} {status}" for status in SHOWN_FIRST if counts.get(status)]
    return ", ".join(told) or "no tasks"
