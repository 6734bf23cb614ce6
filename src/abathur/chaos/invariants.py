"""What must be true of a queue and its repository, whatever befell the swarms that worked on them.

Each finding is a line for a person; none means that all is well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from abathur import bootstrap
from abathur.chaos.ground import NO_FILE, TARGET, Ground, Known
from abathur.chaos.programs import git, left_over
from abathur.domain.errors import GitError
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import verifying
from abathur.swarm.workspace import VERIFY_PREFIX

if TYPE_CHECKING:
    from abathur.infrastructure.database import Database

AGENT: Final = "Fake Agent"
"""The author of the agents' own commits."""
SECONDS_TO_END: Final = 10.0
"""For wardens and agents of a swarm that is dead, before they count as left over."""
PREFIX: Final = "abathur-worktree-"
"""Of records that git doesn't see, before the name of the worktree."""
TRAILER: Final = "%(trailers:key=Abathur-Task,valueonly,separator=%x2C)"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read, in one go."""

    tasks: Mapping[str, Task]
    landed: Mapping[str, int]
    """Task -> commits in the target's history that say they land it."""
    files: frozenset[str]
    """Keys of the tasks whose work is in the target."""


async def findings(ground: Ground, *, at_rest: bool) -> Sequence[str]:
    """`at_rest` says that a swarm has run to idle and ended in order, so nothing may be open."""
    async with bootstrap.open_database(ground.project) as db:
        found = await _of_database(db)
        tasks = await db.read(_tasks, [task.id for task in ground.tasks])
        was_told = await db.read(_was_told, list(tasks))
        if at_rest:
            rows = await db.query("SELECT id FROM workers")
            workers = {str(row["id"]) for row in rows}
            found += [f"a process lives: {one}" for one in left_over(workers, SECONDS_TO_END)]
    found += [f"git: {line}" for line in _of_git(ground) if at_rest or _HALF_MADE not in line]
    facts = Facts(tasks, _landed(ground), _files(ground))
    for known in ground.tasks:
        found += [f"task {known.id} ({known.kind}): {text}" for text in _of_task(known, facts)]
    found += _of_history(ground, facts)
    if at_rest:
        found += [*_left_open(facts), *_left_lying(ground), *_lost_commits(ground)]
        found += [] if was_told else _not_brought_along(ground)
    return found


async def asks(ground: Ground) -> bool:
    """Whether anything waits for a person's answer."""
    async with bootstrap.open_database(ground.project) as db:
        return bool(await db.read(lambda stores: stores.reviews.open()))


async def statuses(ground: Ground) -> Sequence[str]:
    """Of the tasks of the ground."""
    async with bootstrap.open_database(ground.project) as db:
        tasks = await db.read(_tasks, [task.id for task in ground.tasks])
    return [task.status.value for task in tasks.values()]


async def _of_database(db: Database) -> list[str]:
    found = [f"db check: {problem}" for problem in await db.check()]
    verified = await db.read(verifying.verify)
    return found + [f"audit verify: {one}" for one in verified.breaks]


def _tasks(stores: Stores, ids: Sequence[str]) -> Mapping[str, Task]:
    return {task.id: task for task in stores.tasks.get_many(ids)}


def _was_told(stores: Stores, ids: Sequence[str]) -> bool:
    """Whether any landing says that it left a working tree behind."""
    landings = (landing for task_id in ids for landing in stores.landings.of_task(task_id))
    return any("left_behind" in (landing.facts or {}) for landing in landings)


def _landed(ground: Ground) -> Mapping[str, int]:
    log = git(ground.root, "log", f"--format={TRAILER}", TARGET)
    return Counter(task_id for line in log.splitlines() for task_id in line.split(",") if task_id)


def _files(ground: Ground) -> frozenset[str]:
    listed = git(ground.root, "ls-tree", "-r", "--name-only", TARGET, "out/")
    return frozenset(name.removeprefix("out/") for name in listed.splitlines())


def _of_task(known: Known, facts: Facts) -> Iterator[str]:
    """An acknowledged task is there; a completed one is in its target once, another one never."""
    task = facts.tasks.get(known.id)
    if task is None:
        yield "it was acknowledged, and is gone"
        return
    count = facts.landed.get(known.id, 0)
    if task.status is TaskStatus.COMPLETED:
        expected = 0 if known.kind in NO_FILE else 1
        if count != expected:
            yield f"it is completed, and {count} commits in the target land it, not {expected}"
        if expected and known.key not in facts.files:
            yield "it is completed, and its file isn't in the target"
    elif task.status.is_final and (count or known.key in facts.files):
        yield f"it is {task.status}, and its work is in the target"
    if known.is_hopeless and task.status is TaskStatus.COMPLETED:
        yield "its work can't pass the gate, and it is completed"


def _of_history(ground: Ground, facts: Facts) -> Iterator[str]:
    """No commit that the target was ever moved to has what the gate refuses."""
    for commit in git(ground.root, "log", "--first-parent", "--format=%H", TARGET).split():
        if git(ground.root, "ls-tree", "--name-only", commit, "bad"):
            yield f"commit {commit[:10]} of the target failed its gate"
    for task_id in facts.landed.keys() - facts.tasks.keys():
        yield f"the target holds work of a task {task_id} that nobody submitted"


def _left_open(facts: Facts) -> Iterator[str]:
    for task in facts.tasks.values():
        if not task.status.is_final:
            yield f"task {task.id} is {task.status}, and the swarm calls itself idle"


_HALF_MADE: Final = "error: worktrees/"
"""Of a git that was killed while it made a worktree. The next swarm clears it away."""


def _of_git(ground: Ground) -> Iterator[str]:
    try:
        said = git(ground.root, "fsck", "--connectivity-only", "--no-dangling", "--no-progress")
    except GitError as error:
        said = str(error)
    yield from said.splitlines()


def _left_lying(ground: Ground) -> Iterator[str]:
    folder = ground.root / ".abathur" / "worktrees"
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        yield f"a worktree is left: {path.name}"
    for path in sorted((ground.root / ".abathur" / "spool").glob("*.report")):
        yield f"a report is left: {path.name}"
    for line in git(ground.root, "worktree", "list").splitlines()[1:]:
        yield f"git knows of a worktree: {line}"
    metadata = ground.root / ".git"
    # What a git leaves that was killed while it made a worktree for the person is theirs.
    ours = (VERIFY_PREFIX, *(known.id for known in ground.tasks))
    for path in [*metadata.glob("worktrees/*"), *metadata.glob("abathur*")]:
        if path.name.removeprefix(PREFIX).startswith(ours):
            yield f"a record of a worktree is left: {path.relative_to(metadata)}"
    for line in git(ground.root, "branch", "--list", "task/*").splitlines():
        yield f"a branch is left: {line.strip()}"


def _not_brought_along(ground: Ground) -> Iterator[str]:
    for line in git(ground.root, "status", "--porcelain", "--untracked-files=no").splitlines():
        yield f"the person's working tree isn't as the target: {line}"


def _lost_commits(ground: Ground) -> Iterator[str]:
    """Every commit of an agent is kept by a branch or a salvage ref; reflogs don't count.

    A `git commit` that was killed before it moved its branch has made none, though its object is
    there: then the same files are kept as a commit above the same one.
    """
    said = git(ground.root, "fsck", "--unreachable", "--no-reflogs", "--no-progress")
    lost = [line.split()[2] for line in said.splitlines() if line.startswith("unreachable commit")]
    if not lost:
        return
    kept = set(git(ground.root, "log", "--all", "--format=%T %P").splitlines())
    told = git(ground.root, "log", "--no-walk", "--format=%T %P%x00%h %an: %s", *lost)
    for line in told.splitlines():
        made, _, commit = line.partition("\0")
        if f" {AGENT}: " in commit and made not in kept:
            yield f"a commit of an agent is on no ref: {commit}"
