"""What came of the demo, and whether all of it is as promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abathur.domain.landing import LandingState
from abathur.domain.tasks import TaskStatus
from abathur.domain.wording import count

if TYPE_CHECKING:
    from abathur.cli.demo_project import SuiteRun
    from abathur.services.reading import TaskDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    root: Path
    is_scripted: bool
    """What the model says is known, and so are the conflict and the mistake."""
    details: Mapping[str, TaskDetail]
    """By the task's name in the backlog."""
    before: SuiteRun
    after: SuiteRun
    history: Sequence[str]
    landed: Sequence[str]
    """Ids of the tasks, one for each merge."""
    changes: Sequence[str]
    """What is uncommitted in the working tree."""
    printed: Sequence[str]
    """By the finished program."""
    seconds: float

    @property
    def problems(self) -> list[str]:
        return list(problems_told(self))

    def refused(self, state: LandingState) -> list[str]:
        """Names of the tasks with a landing that was refused so."""
        return [
            name
            for name, detail in self.details.items()
            if any(landing.state is state for landing in detail.landings)
        ]


def problems_told(ending: Ending) -> Iterator[str]:
    """What isn't as promised, the reasons before what follows from them."""
    yield from _unfinished(ending.details)
    if ending.details and not ending.landed:
        return  # nothing else can be as promised
    if sorted(ending.landed) != sorted(detail.task.id for detail in ending.details.values()):
        yield f"the history of main has {len(ending.landed)} merges, not one for each task"
    if ending.before.passed:
        yield "the tests passed before anything was done"
    if not ending.after.passed:
        yield f"the tests don't pass: {ending.after.verdict}"
    if ending.is_scripted and len(ending.refused(LandingState.CONFLICTED)) != 1:
        yield "there wasn't exactly one conflict"
    if ending.is_scripted and len(ending.refused(LandingState.REJECTED)) != 1:
        yield "the verification didn't fail exactly once"
    if ending.changes:
        yield f"the working tree has changes: {', '.join(ending.changes)}"


def _unfinished(details: Mapping[str, TaskDetail]) -> Iterator[str]:
    """Each error once, whichever tasks it was told for, and what only waits for those."""
    by_error: dict[str, list[str]] = {}
    waiting = 0
    for name, detail in details.items():
        task = detail.task
        if task.status is TaskStatus.BLOCKED and not task.error_message:
            waiting += 1
        elif task.status is not TaskStatus.COMPLETED:
            error = task.error_message or "no error is known"
            by_error.setdefault(error, []).append(f"{name} ({task.status})")
    for error, names in by_error.items():
        yield f"{', '.join(names)}: {error}"
    if waiting:
        yield f"{count(waiting, 'task')} {'waits' if waiting == 1 else 'wait'} for others"


def plain(ending: Ending) -> dict[str, Any]:
    return {
        "ok": not ending.problems,
        "problems": ending.problems,
        "path": str(ending.root),
        "seconds": round(ending.seconds, 1),
        "tests": {"before": _suite(ending.before), "after": _suite(ending.after)},
        "tasks": [_task(name, detail) for name, detail in ending.details.items()],
        "history": list(ending.history),
    }


def _suite(suite: SuiteRun) -> dict[str, Any]:
    return {"ran": suite.ran, "passed": suite.passed, "verdict": suite.verdict}


def _task(name: str, detail: TaskDetail) -> dict[str, Any]:
    return {
        "name": name,
        "id": detail.task.id,
        "status": detail.task.status.value,
        "attempts": len(detail.attempts),
        "landings": [landing.state.value for landing in detail.landings],
    }
