"""A throw-away repository with a queue, and tasks whose agents follow scripts, good and bad."""

from __future__ import annotations

import json
import random
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from abathur import bootstrap
from abathur.chaos import surroundings
from abathur.chaos.programs import git
from abathur.chaos.servers import Place
from abathur.domain.errors import AbathurError
from abathur.domain.tasks import NewTask, TaskStatus
from abathur.ports.stores import Stores
from abathur.services.cancelling import cancel
from abathur.services.submitting import submit

Script = Sequence[Mapping[str, Any]]
ACTOR: Final = "chaos"
TARGET: Final = "main"
SIDE: Final = "side"
"""Another target, on which work is squashed."""
LEASE_SECONDS: Final = 2.5
CONFIG: Final[Mapping[str, Any]] = {
    "default_runtime": "fake",
    "target_branch": TARGET,
    "targets": {TARGET: {"allow": True}, SIDE: {"strategy": "squash", "gates": []}},
    "verify": {"command": ["test", "!", "-e", "bad"], "timeout": 20},
    "swarm": {
        "max_agents": 4,
        "grace_seconds": 0.5,
        "heartbeat_seconds": 0.4,
        "lease_seconds": LEASE_SECONDS,
        "poll_seconds": 1,
    },
    "retry": {"initial_seconds": 0.05, "max_seconds": 0.2},
    "landing": {"secrets": "hold"},
    "disk": {"min_free": 1, "keep_transcripts": 0},
    # So much that nothing waits for it; what is set aside is written all the same.
    "budget": {"task_usd": 1e6, "target_usd": 1e6, "day_usd": 1e6},
    "agents": {
        "briefed": {"runtime": "fake", "briefing": True},
        # Hangs, and is found out by it.
        "mute": {"runtime": "fake", "silence": {"after": 0.4, "extensions": 0, "longest": 0.1}},
        # Shuts its output while it goes on working.
        "silent": {
            "runtime": "command",
            "prompt": "none",
            "argv": ["sh", "-c", "exec >&- 2>&-; mkdir -p out; echo {input.key} > out/{input.key}"],
        },
        # Judges what another one has made.
        "critic": {
            "runtime": "fake",
            "settings": {
                "script": [
                    {"usage": {"cost_usd": 0.1}},
                    {"result": {"text": '{"score": 0.9, "reasons": ["it is there"]}'}},
                ]
            },
        },
        # Is handed our own server of tools.
        "equipped": {"runtime": "fake", "mcp_servers": ["abathur"]},
    },
}


@dataclass(frozen=True, slots=True)
class Known:
    """A task that the queue has acknowledged."""

    id: str
    key: str
    """Of its file in `out/`, which no other task makes."""
    kind: str
    is_hopeless: bool


@dataclass(slots=True)
class Ground:
    root: Path
    place: Place | None = None
    """Of the database, when it is on a server."""
    tasks: list[Known] = field(default_factory=list)

    @property
    def project(self) -> bootstrap.Project:
        url = self.place.url if self.place else None
        return bootstrap.load_project(self.root, env={}, database=url)


def make(root: Path, place: Place | None = None) -> Ground:
    """Raises `GitError`, `DatabaseError`, `OSError`."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "README.md").write_text("# Chaos\n")
    bootstrap.make_project_files(root)
    (root / ".abathur" / "config.yaml").write_text(json.dumps(CONFIG))
    (root / ".abathur" / ".gitignore").write_text("*\n")
    git(root, "init", "--quiet", "--template=", f"--initial-branch={TARGET}")
    for name, value in {"user.name": "Chaos", "user.email": "chaos@localhost"}.items():
        git(root, "config", name, value)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Start")
    git(root, "branch", SIDE)
    return Ground(root, place)


def _write(key: str) -> dict[str, Any]:
    return {"write": {"path": f"out/{key}", "text": f"{key}\n"}}


def _plain(key: str) -> Any:
    return [_write(key)]


def _commits(key: str) -> Any:
    more = {"append": {"path": f"out/{key}", "text": "more\n"}}
    return [_write(key), {"commit": f"Write {key}"}, more, {"commit": "More"}]


def _daemon(key: str) -> Any:
    sleeper = {"spawn": {"argv": ["sleep", "600"], "setsid": True}}
    return [sleeper, _write(key), {"commit": f"Write {key}"}]


def _stubborn(key: str) -> Any:
    return [{"ignore_signals": ["TERM", "INT"]}, _write(key), {"sleep": 0.1}, {"commit": "Late"}]


def _loud(key: str) -> Any:
    return [{"flood": 2000}, {"tear": True}, _write(key), {"usage": {"input_tokens": 5}}]


def _fails_once(key: str) -> Any:
    return {"1": [_write(key), {"commit": "Half"}, {"fail": "lost the thread"}], "*": _plain(key)}


def _dies_once(key: str) -> Any:
    return {"1": [_write(key), {"die": "KILL"}], "*": _plain(key)}


def _limited_once(key: str) -> Any:
    return {"1": [{"limit": {"retry_after_seconds": 0.1}}], "*": _plain(key)}


def _named(key: str) -> Any:
    """Tells a session of its own, and goes on until that has been written down."""
    told = json.dumps({"event": "started", "session_id": f"session of {key}"})
    return [{"spawn": {"argv": ["printf", "%s\\n", told]}}, _write(key), {"sleep": 0.7}]


def _rivals(key: str) -> Any:
    """Two candidates; the second one begins while the first is at work."""
    return [_write(key), {"sleep": 0.2}]


def _clash(key: str) -> Any:
    """Two of them at once can't both land; the second attempt goes out of the way."""
    shared = {"write": {"path": "shared", "text": f"{key}\n"}}
    return {"1": [shared, _write(key)], "*": _plain(key)}


def _refused_once(key: str) -> Any:
    bad = [{"write": {"path": "bad", "text": key}}, {"commit": "Bad"}]
    return {"1": bad, "*": [{"run": "rm -f bad"}, _write(key)]}


def _hopeless(key: str) -> Any:
    return [{"write": {"path": "bad", "text": key}}, _write(key), {"commit": "Bad"}]


def _nothing(_: str) -> Any:
    return [{"say": "there is nothing to do"}]


def _shared(key: str) -> Any:
    """Two of them at once touch the same folder, which is told and hinders nothing."""
    return [{"write": {"path": f"common/{key}", "text": key}}, {"sleep": 0.6}, _write(key)]


def _mute(key: str) -> Any:
    return {"1": [_write(key), {"hang": True}], "*": _plain(key)}


def _leaky(key: str) -> Any:
    """A person says no to the first work, on top of which the second one begins."""
    leak = {"write": {"path": f"token-{key}", "text": "ghp_" + "a1B2" * 9}}
    return {"1": [_write(key), leak], "*": [{"run": f"rm -f token-{key}"}, _write(key)]}


def _warned(key: str) -> Any:
    return [{"warn_limit": {"utilization": 0.9}}, _write(key)]


def _stuck(key: str) -> Any:
    """Makes the same again, and names parts when it is asked to. They change nothing."""
    same, more = (
        {"write": {"path": f"out/{key}", "text": text}} for text in ("one\n", "one\ntwo\n")
    )
    said = [{"say": "nothing is missing"}]
    parts = [
        {"name": name, "description": f"Look at {name}", "input_data": {"script": said}}
        for name in ("this", "that")
    ]
    named = {"result": {"deliverables": {"tasks": parts}}}
    return {"1": [same], "2": [same], "3": [named], "*": [more]}


def _cancels_itself(key: str) -> Any:
    """What it has used is told after its task is gone."""
    abathur = f"{shlex.quote(sys.executable)} -P -m abathur"
    cancel = f'{abathur} task cancel "$ABATHUR_TASK_ID" >/dev/null 2>&1'
    return [{"usage": {"input_tokens": 5, "cost_usd": 0.1}}, {"run": cancel}, {"hang": True}]


KINDS: Final[Mapping[str, Callable[[str], Any]]] = {
    "plain": _plain,
    "commits": _commits,
    "daemon": _daemon,
    "stubborn": _stubborn,
    "loud": _loud,
    "fails once": _fails_once,
    "dies once": _dies_once,
    "limited once": _limited_once,
    "named": _named,
    "clash": _clash,
    "refused once": _refused_once,
    "hopeless": _hopeless,
    "nothing": _nothing,
    "silent": _plain,
    "shared": _shared,
    "briefed": _plain,
    "mute": _mute,
    "leaky": _leaky,
    "warned": _warned,
    "cancels itself": _cancels_itself,
    "measured": _plain,
    "judged": _plain,
    "rivals": _rivals,
    "elsewhere": _plain,
    "stuck": _stuck,
    **({"equipped": _plain} if find_spec("mcp") else {}),
}
NO_FILE: Final = frozenset({"nothing", "elsewhere"})
"""What they do isn't seen in the target."""
COSTLY: Final[Mapping[str, float]] = {"equipped": 0.2}
"""Kinds that take seconds of a core, and how much more seldom they are than the others."""
PAIRS: Final = frozenset({"clash", "shared"})
AGENTS: Final = frozenset({"silent", "briefed", "mute", "equipped"})
"""Kinds with an agent type of their own."""


async def submit_some(
    ground: Ground, count: int, chance: random.Random, first: Sequence[str] = ()
) -> None:
    """Queue `count` more tasks; what is in `ground.tasks` afterwards was acknowledged.

    Those of the kinds `first` come before them.

    Some wait for another one, some come in pairs that clash, and now and then one is cancelled.
    """
    often = [COSTLY.get(kind, 1.0) for kind in sorted(KINDS)]
    kinds = [*first, *chance.choices(sorted(KINDS), often, k=count)]
    # First, so that both of a pair begin together.
    kinds = [kind for kind in kinds for _ in range(2) if kind in PAIRS] + [
        kind for kind in kinds if kind not in PAIRS
    ]
    surroundings.leave_unknown_report(ground.root)
    if ground.place is not None:
        # What is derived of vectors has to be made again, as on a server to which they were copied.
        ground.place.drop_vectors()
    async with bootstrap.open_database(ground.project) as db:
        await db.write(surroundings.surround, db.clock().now())
        known_ids = [task.id for task in ground.tasks]
        if done := await db.read(surroundings.completed_attempt, known_ids):
            surroundings.leave_of_no_use(ground.root, done)
        for kind in kinds:
            known = _new(ground, kind)
            now = db.clock().now()
            needs = _needs(ground, chance)
            await db.write(_submit, known, () if kind in PAIRS else needs, now)
            ground.tasks.append(known)
        if count and chance.random() < 0.15:
            await db.write(_cancel_if_possible, known.id, db.clock().now())


def _submit(stores: Stores, known: Known, needs: tuple[str, ...], now: datetime) -> None:
    """Nothing may wait for a task that has failed or was cancelled meanwhile."""
    dead = {TaskStatus.FAILED, TaskStatus.CANCELLED}
    hopeful = tuple(task.id for task in stores.tasks.get_many(needs) if task.status not in dead)
    submit(stores, _task(known, hopeful), task_id=known.id, now=now, actor=ACTOR)


def _new(ground: Ground, kind: str) -> Known:
    return Known(bootstrap.new_id(), f"{len(ground.tasks):04}", kind, kind == "hopeless")


def _needs(ground: Ground, chance: random.Random) -> tuple[str, ...]:
    hopeful = [task.id for task in ground.tasks[-4:] if not task.is_hopeless]
    return (chance.choice(hopeful),) if hopeful and chance.random() < 0.2 else ()


def _task(known: Known, needs: tuple[str, ...]) -> NewTask:
    return NewTask(
        prompt=f"task {known.kind} {known.key}",
        agent_type=known.kind if known.kind in AGENTS else "general",
        feature_branch=SIDE if known.kind == "elsewhere" else None,
        touches=("common/**",) if known.kind == "shared" else (),
        may_overlap=known.kind == "shared",
        loop=_loop(known),
        input_data={"script": KINDS[known.kind](known.key), "key": known.key},
        prerequisites=needs,
        max_retries=3,
    )


def _loop(known: Known) -> Mapping[str, Any] | None:
    if known.kind == "rivals":
        return {"candidates": 2}
    if known.kind == "measured":
        return {"passes": ["test", "-e", f"out/{known.key}"], "max_iterations": 2}
    if known.kind == "judged":
        asked = {"agent": "critic", "rubric": "Is it there?", "threshold": 0.5}
        return {"judge": asked, "max_iterations": 2}
    if known.kind == "stuck":
        counted = {"command": f"printf 'lines: '; wc -l < out/{known.key}", "threshold": 2}
        metric = counted | {"pattern": r"lines: *(\d+)"}
        return {"until": {"metric": metric}, "strategies": ["feedback", "decompose", "ask"]}
    return None


async def cancel_what_runs(ground: Ground) -> None:
    """As a person does by a command; what is being merged at this moment can't be cancelled."""
    async with bootstrap.open_database(ground.project) as db:
        for known in ground.tasks:
            with suppress(AbathurError):
                await db.write(_cancel_if_running, known.id, db.clock().now())


def _cancel_if_running(stores: Stores, task_id: str, now: datetime) -> None:
    task = stores.tasks.get(task_id)
    if task is not None and task.status is TaskStatus.RUNNING:
        cancel(stores, task_id, now=now, actor=ACTOR, reason="while its swarm stood still")


def _cancel_if_possible(stores: Stores, task_id: str, now: datetime) -> None:
    task = stores.tasks.get(task_id)
    if task is not None and not task.status.is_final:
        cancel(stores, task_id, now=now, actor=ACTOR, reason="by chance")
