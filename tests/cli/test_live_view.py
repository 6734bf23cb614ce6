import io
import os
import pty
import select
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from typing import Any

import pytest
from rich.console import Console

from abathur.cli.live_board import KEPT_LANDINGS, Board, Picture, harmless
from abathur.cli.live_view import LiveView, PlainView, drawing, plain_line
from abathur.cli.text import elapsed
from abathur.domain.tasks import TaskStatus
from abathur.services.reading import SwarmStatus
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from tests.cli.conftest import Abathur

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
NASTY = "\x1b]0;owned\x07\x1b[2J\u202eevil[bold]\r\nsecond"


def event(
    kind: SwarmEventKind = SwarmEventKind.AGENT_EVENT,
    text: str = "reads a file",
    number: int = 1,
    **data: Any,
) -> SwarmEvent:
    return SwarmEvent(
        kind=kind,
        at=START,
        text=text,
        task_id=f"01a2b3c4-5d{number:02}-7000-8000-000000000000",
        summary=f"Task {number} with a summary that goes on and on, past the end of the line",
        agent_type="general",
        data=data,
    )


def drawn(picture: Picture, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, highlight=False)
    with console.capture() as capture:
        console.print(drawing(picture, START + timedelta(seconds=75), height))
    return capture.get().splitlines()


def full_board(agents: int) -> Board:
    board = Board(START)
    counts = dict.fromkeys(TaskStatus, 3)
    board.put_right(
        SwarmStatus(
            counts=counts,
            workers=[],
            running=[],
            landings=[],
            reviews=[],
            refused=[],
            flaky=[],
            next_due=None,
            is_idle=False,
        )
    )
    for number in range(agents):
        board.take(event(SwarmEventKind.AGENT_STARTED, "starts", number))
        board.take(event(text=NASTY, number=number))
    for number in range(90, 99):
        board.take(event(SwarmEventKind.TASK_COMPLETED, "landed on main (1a2b3c4d5e)", number))
        board.take(event(SwarmEventKind.WARNING, "something is odd", number))
    return board


@pytest.mark.parametrize("agents", [0, 1, 7, 60])
def test_the_picture_fits_a_small_terminal(agents: int) -> None:
    lines = drawn(full_board(agents).picture())
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("abathur 01:15  3 running  3 ready  3 pending  3 blocked")


def test_what_does_not_fit_is_counted() -> None:
    lines = drawn(full_board(60).picture())
    shown = [line for line in lines if line.startswith("01a2b3c4-5d")]
    assert f"and {60 - len(shown)} more" in lines
    assert len(shown) >= 5


def test_a_row_tells_task_agent_time_and_last_word() -> None:
    board = Board(START)
    board.take(event(SwarmEventKind.AGENT_STARTED, "starts"))
    board.take(event())
    (row,) = [line for line in drawn(board.picture()) if "01a2b3c4" in line]
    assert row.split()[0] == "01a2b3c4-5d01"
    assert "Task 1 with" in row
    assert "general 01:15 reads a file" in row


def test_landings_and_warnings_are_shown() -> None:
    lines = drawn(full_board(1).picture())
    at = lines.index("landed")
    landed = [line for line in lines[at:] if "landed on main (1a2b3c4d5e)" in line]
    assert len(landed) == KEPT_LANDINGS
    assert "to look at" in lines


def test_what_ended_leaves_the_picture() -> None:
    board = Board(START)
    board.take(event(SwarmEventKind.AGENT_STARTED))
    board.take(event(SwarmEventKind.TASK_FAILED, "no"))
    assert "no agent is running" in drawn(board.picture())


def test_the_word_of_the_command_stays_when_the_swarm_says_it_stops() -> None:
    board = Board(START)
    board.say("stopping: agents get 10 s")
    board.take(event(SwarmEventKind.SWARM_STOPPING, "stopping (signal)"))
    assert drawn(board.picture())[1] == "stopping: agents get 10 s"


@pytest.mark.parametrize("text", [NASTY, "\x00\x7f\x9b31m", "a\ud800b", "\u2028x\u2029"])
def test_what_agents_say_cannot_steer_the_terminal(text: str) -> None:
    shown = harmless(text)
    assert shown.replace("\ufffd", "").isprintable()
    assert plain_line(event(text=text)).replace("\ufffd", "").isprintable()
    board = Board(START)
    board.take(event(SwarmEventKind.AGENT_STARTED, text))
    board.take(event(text=text))
    for line in drawn(board.picture()):
        assert line.replace("\ufffd", "").isprintable()


def test_markup_is_not_obeyed() -> None:
    board = Board(START)
    board.take(event(SwarmEventKind.AGENT_STARTED))
    board.take(event(text="[bold]x[/]"))
    assert any("[bold]x[/]" in line for line in drawn(board.picture()))


def test_a_plain_line() -> None:
    local = f"{START.astimezone():%H:%M:%S}"
    short = "01a2b3c4-5d01"
    assert plain_line(event(kind=SwarmEventKind.AGENT_EVENT, text="x")) == (
        f"{local}  {short}  agent event      x"
    )
    assert plain_line(event(SwarmEventKind.AGENT_STARTED, "fake starts")).startswith(
        f"{local}  {short}  agent started    fake starts  (Task 1 with"
    )
    alone = SwarmEvent(kind=SwarmEventKind.SWARM_STARTED, at=START, text="up to 4 agents")
    assert plain_line(alone) == f"{local}  -              swarm started    up to 4 agents"


def test_elapsed_time() -> None:
    assert elapsed(START, START - timedelta(1)) == "00:00"
    assert elapsed(START, START + timedelta(seconds=3725)) == "1:02:05"


def test_lines_come_in_order_and_all_of_them() -> None:
    lines: list[str] = []
    with PlainView(lines.append, lines.append) as view:
        for number in range(100):
            view.sink(event(text=str(number)))
    assert [line.split()[-1] for line in lines] == [str(number) for number in range(100)]
    assert view.lost == 0


def test_a_reader_that_stalls_or_leaves_does_not_hold_up_the_swarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("abathur.cli.live_view.SECONDS_TO_FINISH", 0.05)
    monkeypatch.setattr("abathur.cli.live_view.MAX_WAITING_LINES", 10)
    stalled = threading.Event()

    def write(_: str) -> None:
        stalled.wait(30)

    with PlainView(write, print) as view:
        for _ in range(100):
            view.sink(event())
    assert 85 <= view.lost <= 90
    stalled.set()


def test_a_sink_never_raises() -> None:
    broken: Any = None
    with PlainView(lambda _: None, print) as plain:
        plain.sink(broken)
    live = LiveView(Console(file=io.StringIO()), lambda: START)
    live.sink(broken)
    assert (plain.lost, live.lost) == (1, 1)


class Terminal:
    """A pseudo-terminal of 80 by 24 with a program of ours at its other end."""

    def __init__(self, root: str, *args: str) -> None:
        self.output = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(root)
            os.environ |= {"TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)}
            os.environ.pop("NO_COLOR", None)
            os.execv(sys.executable, [sys.executable, "-m", "abathur", *args])
        ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read(self) -> Iterator[bytes]:
        """All output so far, again and again, until the program closes its end."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.fd, 65536)
                except OSError:  # how Linux tells that the other end is closed
                    return
            yield self.output

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.slow
def test_a_terminal_is_as_it_was_after_an_interrupt(abathur: Abathur) -> None:
    abathur.script("Hang around", {"say": "hanging there"}, {"hang": True})
    terminal = Terminal(str(abathur.root), "swarm", "start")
    before = termios.tcgetattr(terminal.fd)
    pressed = 0
    for seen in terminal.read():
        wanted = (b"hanging there", b"again to stop at once")
        if pressed < 2 and wanted[pressed] in seen:
            assert termios.tcgetattr(terminal.fd) == before
            os.write(terminal.fd, b"\x03")
            pressed += 1
    assert (terminal.wait(), pressed) == (0, 2)
    assert terminal.output.count(b"\x1b[?25l") == terminal.output.count(b"\x1b[?25h") == 1
    # Nothing of the picture is left below the last erased line.
    assert terminal.output.rpartition(b"\x1b[2K")[2].startswith(b"no task ended in 00:0")
