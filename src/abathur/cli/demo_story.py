"""What the demo tells, section by section."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from abathur.cli import output
from abathur.cli.demo_project import HISTORY, SuiteRun
from abathur.cli.output import paint
from abathur.cli.text import clean, columns, cut, pad, short
from abathur.domain.landing import LandingState
from abathur.domain.tasks import TaskStatus
from abathur.swarm.events import SwarmEvent, SwarmEventKind

if TYPE_CHECKING:
    from abathur.cli.demo_ending import Ending
    from abathur.domain.landing import Landing
    from abathur.services.reading import ExecutionPlan, SwarmStatus, TaskDetail

PROGRAM: Final = ("report", "expenses.csv", "food=200.00", "travel=80.00")
GAP: Final = "  "

_K = SwarmEventKind
TOLD: Final = {
    _K.AGENT_STARTED: None,
    _K.LANDING_REFUSED: "yellow",
    _K.TASK_WAITS: "yellow",
    _K.WARNING: "yellow",
    _K.TASK_FAILED: "red",
    _K.TASK_COMPLETED: "green",
}
"""What is told in lines, and how; the steps of each agent would be too many."""


# --- as it goes ---------------------------------------------------------------------------


def opening(root: Path, who: str) -> list[str]:
    return [
        paint("Abathur demo", "bold"),
        "Agents build a small program, task by task, and land their work in git.",
        who,
        f"All of it happens in {clean(str(root))}",
    ]


def start(suite: SuiteRun) -> list[str]:
    return [
        *_title("1. A repository with work to do"),
        "An expense tracker of which only stubs are there, so its tests fail.",
        *_typed("python3 -m unittest"),
        _verdict(suite),
    ]


def backlog(plan: ExecutionPlan, names: Mapping[str, str]) -> list[str]:
    from abathur.cli.plan_view import Item, drawing

    def item(task_id: str) -> Item:
        task = plan.tasks[task_id]
        return Item(
            key=task_id,
            label=names[task_id],
            status=task.status,
            seconds=task.estimated_duration_seconds,
            summary=task.summary,
            needs=task.prerequisites,
        )

    batches = [[item(task_id) for task_id in batch] for batch in plan.batches]
    return [
        *_title(f"2. A backlog of {len(names)} tasks"),
        "A file says what to do, and what has to be there before.",
        *_typed("abathur plan apply backlog.yaml"),
        "All tasks are queued. This is the order in which they can run:",
        *drawing(batches, plan.critical_path, plan.critical_seconds, output.width()),
    ]


def swarm(max_agents: int) -> list[str]:
    return [
        *_title("3. The swarm"),
        f"Up to {max_agents} agents at once, each in a worktree of its own. What they make is",
        "merged and tested, and only what passes lands on main.",
        *_typed("abathur swarm start --until-idle"),
    ]


class Lines:
    """A view of the swarm where no picture can be drawn: a line for what matters."""

    def __init__(
        self, write: Callable[[str], None], names: Mapping[str, str], began: datetime
    ) -> None:
        self._write, self._names, self._began = write, names, began
        self.lost = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def sink(self, event: SwarmEvent) -> None:
        if event.kind in TOLD:
            for line in self._lines(event):
                self._write(line)

    def say(self, text: str) -> None:
        self._write(clean(text))

    def put_right(self, status: SwarmStatus) -> None:
        pass

    def _lines(self, event: SwarmEvent) -> Iterator[str]:
        width = max(map(len, self._names.values()))
        name = self._names.get(event.task_id or "", "")
        head = f"{(event.at - self._began).total_seconds():5.1f} s{GAP}{name:{width}}{GAP}"
        lines = textwrap.wrap(clean(_words(event)), max(20, output.width() - len(head)))
        for number, line in enumerate(lines):
            yield (head if number == 0 else " " * len(head)) + paint(line, TOLD[event.kind])


def _words(event: SwarmEvent) -> str:
    if event.kind is _K.AGENT_STARTED:
        again = f" on attempt {event.attempt}" if event.attempt != 1 else ""
        return f"an agent starts{again}"
    return f"refused: {event.text}" if event.kind is _K.LANDING_REFUSED else event.text


def worked(status: SwarmStatus) -> list[str]:
    """Stays when the picture of the swarm is gone."""
    told = [f"{count} {name.value}" for name, count in status.counts.items() if count]
    return [f"The swarm has ended: {', '.join(told)}."]


# --- the end ------------------------------------------------------------------------------


def end(ending: Ending) -> list[str]:
    return [
        *_title("4. What became of it"),
        *_graph(ending),
        "",
        *_explained(ending),
        *_typed(f"git {' '.join(HISTORY)}"),
        *(cut(clean(line), output.width(), output.ellipsis()) for line in ending.history),
        *_typed("python3 -m unittest"),
        _verdict(ending.after),
        *_typed(f"python3 -m ledger {' '.join(PROGRAM)}"),
        *map(clean, ending.printed),
    ]


def _graph(ending: Ending) -> Iterator[str]:
    """Each task below the one that it waited for last."""
    from abathur.cli.task.tree import as_tree

    names = {detail.task.id: name for name, detail in ending.details.items()}
    tasks = [detail.task for detail in ending.details.values()]
    tree = [(lines + names[task.id], task) for lines, task in as_tree(tasks, output.has_unicode())]
    width = max(columns(text) for text, _ in tree)
    for text, task in tree:
        told = _attempts(ending.details[names[task.id]])
        line = f"{pad(text, width)}{GAP}{told}"
        room = output.width() - columns(_mark(task.status)) - 1
        mark = paint(_mark(task.status), output.status_colour(task.status))
        yield f"{mark} {cut(line, room, output.ellipsis())}".rstrip()


def _mark(status: TaskStatus) -> str:
    is_done = status is TaskStatus.COMPLETED
    if output.has_unicode():
        return "\N{CHECK MARK}" if is_done else "\N{BALLOT X}"
    return "ok" if is_done else "--"


def _attempts(detail: TaskDetail) -> str:
    count = len(detail.attempts)
    told = [_refusal(landing) for landing in detail.landings if not landing.state.is_success]
    told += [] if detail.task.status is TaskStatus.COMPLETED else [detail.task.status.value]
    attempts = "1 attempt" if count == 1 else f"{count} attempts"
    return f"{attempts}: {', '.join(told)}" if told else attempts


def _refusal(landing: Landing) -> str:
    if landing.state is LandingState.CONFLICTED:
        return f"conflict in {', '.join((landing.facts or {}).get('paths', ()))}"
    if landing.state is LandingState.REJECTED:
        return "failed verification"
    return landing.state.value.replace("_", " ")


def _explained(ending: Ending) -> Iterator[str]:
    for name in ending.refused(LandingState.CONFLICTED):
        yield f"{name}: another task had changed the same line before it could land. Its"
        yield "  work was refused, and the second attempt was built on top of the other's."
    for name in ending.refused(LandingState.REJECTED):
        yield f"{name}: its agent said that it was done, but the tests failed on the merged"
        yield "  result. The second attempt was told why, and mended it."


def farewell(ending: Ending, root: Path | None) -> list[str]:
    """What to type next, and how it went. `root` is None when it was removed."""
    lines = [*_title("What to type next"), *_path_step()]
    if root is not None:
        lines += _steps(f"cd {shlex.quote(str(root))}", *_around(ending))
    lines += ["", "In a repository of your own:"]
    lines += _steps(
        ("abathur init", "make a queue there"),
        ("abathur doctor", "is an agent like Claude Code there?"),
        ('abathur task submit "Fix the typo"', "or a whole plan, as above"),
        ("abathur swarm start", "until Ctrl-C"),
    )
    return [*lines, "", *_summary(ending)]


def _path_step() -> list[str]:
    """Where the command is, when the person's shell wouldn't find it."""
    if shutil.which("abathur") is not None:
        return []
    folder = shlex.quote(str(Path(sys.executable).parent))
    return [f'  export PATH={folder}:"$PATH"']


def _around(ending: Ending) -> Iterator[tuple[str, str]]:
    yield "abathur task list", "all tasks"
    refused = [*ending.refused(LandingState.CONFLICTED), *ending.refused(LandingState.REJECTED)]
    for name in refused:
        task_id = short(ending.details[name].task.id)
        yield f"abathur task show {task_id}", f"{name}: both attempts, and why"
    yield "abathur audit", "who did what, and when"
    yield "abathur doctor", "is everything in order?"


def _steps(*steps: str | tuple[str, str]) -> list[str]:
    pairs = [step if isinstance(step, tuple) else (step, "") for step in steps]
    width = max(len(command) for command, what in pairs if what)
    return [
        f"  {paint(f'{command:{width}}', 'cyan')}  # {what}" if what else f"  {command}"
        for command, what in pairs
    ]


def _summary(ending: Ending) -> list[str]:
    if problems := ending.problems:
        return [paint(f"This isn't as it should be: {clean(text)}", "red") for text in problems]
    text = f"{len(ending.details)} tasks landed in {ending.seconds:.0f} s; all tests pass."
    return [paint(text, "green")]


def _title(text: str) -> list[str]:
    return ["", paint(text, "bold")]


def _typed(command: str) -> list[str]:
    return ["", paint(f"$ {command}", "cyan")]


def _verdict(suite: SuiteRun) -> str:
    return f"Ran {suite.ran} tests: {paint(suite.verdict, 'green' if suite.passed else 'red')}"
