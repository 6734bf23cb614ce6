"""Judging the facts about a machine and a project: what is in order, and what to do if not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from abathur.domain.agents import Worker
from abathur.domain.closed_targets import Closure
from abathur.domain.disk import Kept, shortage
from abathur.domain.problems import SPARSE_REMEDY, SPARSE_RISK
from abathur.domain.settings import DiskSettings
from abathur.domain.tasks import TaskStatus
from abathur.domain.wording import size_text
from abathur.ports.diagnosis import Machine, Program, Target
from abathur.ports.stores import Stores, TaskFilter

LEAST_PYTHON: Final = (3, 11)
LEAST_GIT: Final = (2, 38)
FREE_TO_WORK: Final = 200_000_000
FREE_TO_BE_EASY: Final = 2_000_000_000
MUCH_LOG: Final = 64_000_000
"""Four times what is kept of a log that was emptied."""
SHOWN: Final = 3


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    verdict: Verdict
    text: str
    remedy: str = ""
    """What to do, for anything but `ok`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found out. Fields keep their default when what they need wasn't there."""

    machine: Machine
    repository: Path | None = None
    repository_problem: str = ""
    project: Path | None = None
    project_problem: str = ""
    """Why there is no project, or why its configuration can't be used."""
    is_config_broken: bool = False
    untrusted: str = ""
    """What nobody has agreed to yet."""
    sandbox_problem: str | None = None
    """Why the sandbox that is configured can't be made; empty when it can, None without one."""
    definition_problems: Sequence[str] = ()
    database_problems: Sequence[str] | None = None
    """None when it wasn't opened."""
    kept: Kept | None = None
    """What the project keeps on the disk."""
    disk: DiskSettings | None = None
    """What the configuration says about room."""
    log_bytes: int = 0
    """Of the database's write-ahead log."""
    programs: Sequence[Program] = ()
    target: Target | None = None
    closed_targets: Mapping[str, Closure] = field(default_factory=dict)
    """Others that work waits for -> why nothing can land there."""
    orphans: Sequence[Orphan] = ()
    stale_worktrees: Sequence[Path] = ()
    is_left_out: bool = False
    """The sparse checkout leaves the project's folder out."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A worker that is dead, and how many tasks it still holds."""

    worker: Worker
    tasks: int


@dataclass(frozen=True, slots=True)
class InUse:
    """What the queue says about who works where."""

    orphans: Sequence[Orphan]
    worktrees: frozenset[str]
    agent_types: frozenset[str]
    """Of unfinished tasks."""


def in_use(stores: Stores, is_alive: Callable[[Worker], bool | None]) -> InUse:
    dead = [worker for worker in stores.workers.live() if is_alive(worker) is False]
    running = stores.tasks.select(TaskFilter(status=TaskStatus.RUNNING, limit=100_000))
    attempts = stores.attempts.unended()
    places = {*(task.worktree_path for task in running), *(one.worktree_path for one in attempts)}
    waiting = (TaskStatus.READY, TaskStatus.PENDING, TaskStatus.BLOCKED)
    unfinished = [
        task
        for status in waiting
        for task in stores.tasks.select(TaskFilter(status=status, limit=1000))
    ]
    holders = Counter(task.worker_id for task in running)
    return InUse(
        orphans=[Orphan(worker, holders[worker.id]) for worker in dead],
        worktrees=frozenset(place for place in places if place),
        agent_types=frozenset(task.agent_type for task in (*running, *unfinished)),
    )


def judge(facts: Facts) -> list[Check]:
    """A check for everything that was looked at, in an order in which to put it right."""
    return [
        *_machine(facts.machine),
        *_repository(facts),
        *_project(facts),
        *_programs(facts.programs),
        *_target(facts.target),
        *_closed_targets(facts),
        *_room(facts),
        *_leftovers(facts),
    ]


def has_failed(checks: Sequence[Check]) -> bool:
    return any(check.verdict is Verdict.FAIL for check in checks)


def _machine(machine: Machine) -> Iterator[Check]:
    python = ".".join(map(str, machine.python))
    yield _graded("python", machine.python[:2] >= LEAST_PYTHON, python, "install Python 3.11")
    yield _sqlite(machine)
    yield _git(machine.git)
    if machine.free_bytes is not None:
        yield _disk(machine.free_bytes)


def _graded(name: str, is_good: bool, text: str, remedy: str) -> Check:
    return Check(name, Verdict.OK, text) if is_good else Check(name, Verdict.FAIL, text, remedy)


def _sqlite(machine: Machine) -> Check:
    if machine.sqlite_problem is None:
        return Check("sqlite", Verdict.OK, machine.sqlite)
    return Check("sqlite", Verdict.FAIL, machine.sqlite_problem, "install `apsw` 3.51.3 or newer")


def _git(version: str | None) -> Check:
    if version is None:
        return Check("git", Verdict.FAIL, "it isn't installed", "install git 2.38 or newer")
    if _numbers(version) >= LEAST_GIT:
        return Check("git", Verdict.OK, version)
    text = f"{version} can't merge without a checkout"
    return Check("git", Verdict.FAIL, text, "install git 2.38 or newer")


def _numbers(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _disk(free: int) -> Check:
    text = f"{free / 1e9:.1f} GB free"
    if free >= FREE_TO_BE_EASY:
        return Check("disk", Verdict.OK, text)
    verdict = Verdict.WARN if free >= FREE_TO_WORK else Verdict.FAIL
    return Check("disk", verdict, text, "free some space: each running agent has its own worktree")


def _repository(facts: Facts) -> Iterator[Check]:
    if facts.repository is not None:
        yield Check("repository", Verdict.OK, str(facts.repository))
        return
    text, _, remedy = facts.repository_problem.partition("; ")
    yield Check("repository", Verdict.FAIL, text, remedy or "change to a git repository")


def _project(facts: Facts) -> Iterator[Check]:
    if facts.project is None:
        name = "configuration" if facts.is_config_broken else "project"
        text, _, remedy = facts.project_problem.partition("; ")
        yield Check(name, Verdict.FAIL, text, remedy or "correct the file")
        return
    yield Check("project", Verdict.OK, str(facts.project))
    yield Check("configuration", Verdict.OK, "it loads")
    if facts.untrusted:
        text, _, remedy = facts.untrusted.partition("; ")
        yield Check("trust", Verdict.WARN, text, remedy)
    if facts.sandbox_problem is not None:
        text, _, remedy = facts.sandbox_problem.partition("; ")
        yield _graded("sandbox", not text, text or "bubblewrap works", remedy)
    for problem in facts.definition_problems:
        yield Check("definition", Verdict.WARN, problem, "correct the file; it isn't used")
    if facts.database_problems is not None:
        yield _database(facts.database_problems)
    if facts.log_bytes > MUCH_LOG:
        text = (
            f"it has grown to {facts.log_bytes / 1e6:.0f} MB, so some process reads for very long"
        )
        remedy = "end or resume that process; the log is emptied when the next one writes"
        yield Check("log", Verdict.WARN, text, remedy)


def _database(problems: Sequence[str]) -> Check:
    if not problems:
        return Check("database", Verdict.OK, "it opens and is sound")
    text, _, remedy = problems[0].partition("; ")
    if len(problems) == 1 and remedy:  # an error, which knows best what to do
        return Check("database", Verdict.FAIL, text, remedy)
    remedy = "`abathur db check --full` tells all; keep a copy of .abathur before you fix it"
    return Check("database", Verdict.FAIL, _some(problems), remedy)


def _some(texts: Sequence[str]) -> str:
    more = f", and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more


def _programs(programs: Sequence[Program]) -> Iterator[Check]:
    for program in programs:
        name = f"agent {program.agent_type}"
        if program.problem is not None:
            text, _, remedy = program.problem.partition("; ")
            yield Check(name, Verdict.FAIL, text, remedy or "set its runtime in the configuration")
        elif program.doubt:
            text, _, remedy = program.doubt.partition("; ")
            yield Check(name, Verdict.WARN, f"{program.runtime}: {text}", remedy)
        else:
            told = (program.program, program.version, program.support)
            known = " ".join(part for part in told if part)
            yield Check(name, Verdict.OK, f"{program.runtime}: {known}")


def _target(target: Target | None) -> Iterator[Check]:
    if target is None:
        return
    if target.branch is None:
        remedy = "check a branch out, or set `target_branch` in .abathur/config.yaml"
        yield Check("target", Verdict.FAIL, "no branch to land on is known", remedy)
    elif not target.exists:
        remedy = f"make it with `git branch {target.branch}`"
        yield Check("target", Verdict.FAIL, f"there is no branch `{target.branch}`", remedy)
    elif target.closed:
        text, _, remedy = target.closed.partition("; ")
        yield Check("target", Verdict.WARN, text, remedy)
    elif target.dirty:
        places = _some([str(path) for path in target.dirty])
        text = f"`{target.branch}` has uncommitted changes in {places}"
        yield Check("target", Verdict.WARN, text, "commit or stash them before `swarm start`")
    else:
        yield Check("target", Verdict.OK, f"`{target.branch}`")


def _closed_targets(facts: Facts) -> Iterator[Check]:
    default = facts.target.branch if facts.target else None
    for target, closure in sorted(facts.closed_targets.items()):
        if target != default:
            text = f"{closure.text}, so work for it waits"
            yield Check("target", Verdict.WARN, text, closure.advice)


def _room(facts: Facts) -> Iterator[Check]:
    """What the project keeps, and whether a swarm would start anything here."""
    if facts.kept is None:
        return
    limits = facts.disk or DiskSettings()
    short = shortage(limits, facts.machine.free_bytes, facts.kept, is_held=False)
    text = f"{size_text(facts.kept.total)}: {facts.kept.told()}"
    if short:
        remedy = "make room: a swarm starts nothing on this host until there is some"
        yield Check("kept", Verdict.WARN, short, remedy)
    else:
        yield Check("kept", Verdict.OK, text if facts.kept.total else "nothing")


def _leftovers(facts: Facts) -> Iterator[Check]:
    if facts.is_left_out:
        yield Check("sparse", Verdict.WARN, SPARSE_RISK, SPARSE_REMEDY)
    for orphan in facts.orphans:
        held = "1 task" if orphan.tasks == 1 else f"{orphan.tasks} tasks"
        text = f"{orphan.worker.id} (process {orphan.worker.pid}) is gone and holds {held}"
        remedy = "run `abathur swarm start`: it takes over what was held"
        yield Check("worker", Verdict.WARN, text, remedy)
    if facts.stale_worktrees:
        places = _some([str(path) for path in facts.stale_worktrees])
        remedy = "look what is in them, then `git worktree remove FOLDER`"
        yield Check("worktrees", Verdict.WARN, f"no task works in {places}", remedy)
