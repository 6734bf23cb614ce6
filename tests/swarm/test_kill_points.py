"""SIGKILL of a swarm at each step of a task's life: the next one ends it, once, as if nothing was.

`die_at.py` kills itself at the step; what is left then is what the next swarm finds.
"""

import signal
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import RefMovedError
from abathur.domain.schedules import MissedPolicy, OverlapPolicy
from abathur.swarm.events import SwarmEventKind
from tests.forked import Forked
from tests.swarm.test_schedules import add

DIE_AT = Path(__file__).with_name("die_at.py")
LEFT_BEHIND = ["sh", "-c", "exec sleep 600 >/dev/null 2>&1"]
"""Holds no output, for the last of which a run would wait a second after its agent's end."""
SCRIPT = [
    {"write": {"path": "a.txt", "text": "a\n"}},
    {"commit": "Mine"},
    {"spawn": {"argv": LEFT_BEHIND, "setsid": True}},
    {"write": {"path": "b.txt", "text": "b\n"}},
]

MOMENTS = {
    "claimed, start not recorded": ("db.claim", "after", 1),
    "start recorded, no worktree": ("db.start", "after", 1),
    "worktree made, no agent": ("repository.add_worktree", "after", 1),
    "while the agent runs": ("processes.run", "during", 1),
    "agent exited, report not spooled": ("spool.put", "before", 1),
    "landing claimed": ("db.claim_landings", "after", 1),
    "merged, not verified": ("repository.merge", "after", 1),
    "verification has its worktree": ("repository.add_detached_worktree", "after", 1),
    "during verify": ("processes.run", "during", 2),
    "verified, its worktree still there": ("repository.remove_detached_worktree", "before", 1),
    "verified": ("repository.remove_detached_worktree", "after", 1),
    "announced, ref not moved": ("db.announce", "after", 1),
    "ref moved, tree not brought along": ("repository.move_branch", "after", 1),
    "proof read": ("repository.prove", "after", 1),
    "tree brought along, not concluded": ("repository.bring_along", "after", 1),
    "concluded, nothing cleaned": ("db.conclude", "after", 1),
    "worktree removed, branch not": ("repository.delete_branch", "before", 1),
    "branch removed": ("repository.delete_branch", "after", 1),
}
RECORDS = {
    "half of the record of verification's worktree": ("file.open@_write_record", "before", 7),
    "record of verification's worktree, no folder": ("file.os.mkdir@_write_pointer", "before", 2),
}
FINISHED = {
    "report spooled": ("spool.put", "after", 1),
    "report spooled, leftovers not committed": ("repository.commit_leftovers", "before", 1),
    "leftovers committed, not reported": ("repository.commit_leftovers", "after", 1),
    "not reported": ("db.report", "before", 1),
    "reported, still in the spool": ("db.report", "after", 1),
    "reported, about to leave the spool": ("spool.remove", "before", 1),
    "reported, landing not claimed": ("spool.remove", "after", 1),
}
FAILED = {name: point for name, point in FINISHED.items() if "leftovers" not in name} | {
    "report spooled, work not kept": ("repository.salvage", "before", 1),
    "work kept, not reported": ("repository.salvage", "after", 1),
}
REPLAY = {
    "leftovers not committed": ("repository.commit_leftovers", "before", 1),
    "leftovers committed": ("repository.commit_leftovers", "after", 1),
    "not reported": ("db.report", "before", 1),
    "reported, still in the spool": ("db.report", "after", 1),
    "left the spool": ("spool.remove", "after", 1),
}
REFUSED = {
    "check failed, work not kept": ("repository.salvage", "before", 1),
    "work kept, kept place not recorded": ("db.add_salvage", "before", 1),
    "work kept, landing not ended": ("db.refuse", "before", 1),
    "landing ended, place not cleared": ("db.refuse", "after", 1),
    "worktree of refused work removed": ("repository.remove_worktree", "after", 1),
}
RESCUE = {
    "adopted": ("db.adopt", "after", 1),
    "adopted, leftovers committed": ("repository.commit_leftovers", "after", 1),
    "adopted, work kept, not recorded": ("db.add_salvage", "before", 1),
    "adopted, work kept": ("db.add_salvage", "after", 1),
    "adopted, worktree removed": ("repository.remove_worktree", "after", 1),
    "adopted, place cleared": ("repository.delete_branch", "after", 1),
    "queued again": ("db.take_back", "after", 1),
    "dead worker signed off": ("db.close_worker", "after", 1),
}


def die(world: Any, place: str, moment: str, call: int) -> None:
    with tempfile.TemporaryFile("w+") as errors:
        with Forked(
            DIE_AT, str(world.root), place, moment, str(call), stderr=errors.fileno()
        ) as swarm:
            code = swarm.wait(timeout=60)
        errors.seek(0)
        assert code == -signal.SIGKILL, errors.read()


async def finish(world: Any, task: Any) -> None:
    """Run to idle; the task is completed, its work is on main once, and nobody had to worry."""
    await world.run_until_idle()
    warnings = [e.text for e in world.events if e.kind is SwarmEventKind.WARNING]
    assert warnings == []
    assert (await world.task(task)).status == "completed"
    assert world.landed() == [task.id]
    assert (await world.landings(task))[-1].detail is None
    assert (world.file("a.txt"), world.file("b.txt")) == ("a", "b")
    assert (world.root / "b.txt").read_text() == "b\n"
    assert list((world.root / ".abathur" / "worktrees").iterdir()) == []
    await world.assert_sound()


@pytest.mark.parametrize("point", (MOMENTS | RECORDS).values(), ids=MOMENTS | RECORDS)
async def test_the_next_swarm_goes_on(world: Any, point: tuple[str, str, int]) -> None:
    world.configure(verify={"command": ["test", "-f", "b.txt"]})
    task = await world.submit("Write", SCRIPT)
    die(world, *point)
    await finish(world, task)


async def outcomes(world: Any, task: Any) -> list[str]:
    return [one.outcome for one in await world.attempts(task)]


def assert_spool_is_empty(world: Any) -> None:
    assert list((world.root / ".abathur" / "spool").iterdir()) == []


@pytest.mark.parametrize("point", FINISHED.values(), ids=FINISHED)
async def test_a_finished_run_is_not_run_again(world: Any, point: tuple[str, str, int]) -> None:
    task = await world.submit("Write", SCRIPT)
    die(world, *point)
    await finish(world, task)
    assert await outcomes(world, task) == ["succeeded"]
    assert_spool_is_empty(world)


@pytest.mark.parametrize("point", FAILED.values(), ids=FAILED)
async def test_a_failed_run_is_counted_once(world: Any, point: tuple[str, str, int]) -> None:
    task = await world.submit("Write", {"1": [*SCRIPT, {"fail": "no luck"}], "*": SCRIPT})
    die(world, *point)
    await finish(world, task)
    assert await outcomes(world, task) == ["failed", "succeeded"]
    assert (await world.task(task)).retry_count == 1
    first = (await world.attempts(task))[0]
    assert first.error_message == "no luck"
    assert world.git("show", f"{first.salvage_ref}:b.txt") == "b"
    assert_spool_is_empty(world)


@pytest.mark.parametrize("point", REPLAY.values(), ids=REPLAY)
async def test_a_replay_that_is_killed_too(world: Any, point: tuple[str, str, int]) -> None:
    task = await world.submit("Write", SCRIPT)
    die(world, "spool.put", "after", 1)
    die(world, *point)
    await finish(world, task)
    assert await outcomes(world, task) == ["succeeded"]
    assert_spool_is_empty(world)


async def test_the_target_moved_after_a_kill_during_verify(world: Any) -> None:
    world.configure(verify={"command": ["test", "-f", "b.txt"]})
    task = await world.submit("Write", SCRIPT)
    die(world, "processes.run", "during", 2)
    world.git("commit", "-q", "--allow-empty", "-m", "Meanwhile")
    await finish(world, task)


@pytest.mark.parametrize("point", REFUSED.values(), ids=REFUSED)
async def test_refused_work_is_kept(world: Any, point: tuple[str, str, int]) -> None:
    world.configure(verify={"command": ["test", "-f", "good"]})
    task = await world.submit(
        "Write", {"1": SCRIPT, "*": [{"write": {"path": "good", "text": ""}}]}
    )
    die(world, *point)
    await finish(world, task)
    first = (await world.attempts(task))[0]
    assert world.git("show", f"{first.salvage_ref}:b.txt") == "b"


async def test_who_thaws_right_before_the_move_lands_nothing_that_was_refused_meanwhile(
    world: Any,
) -> None:
    """Its lease is over and another one has judged anew; what is left of it is one git command."""
    task = await world.submit("Write", SCRIPT)
    die(world, "db.announce", "after", 1)
    (frozen,) = await world.landings(task)
    assert frozen.merge_commit is not None
    world.configure(verify={"command": ["false"]}, retry={"max_rework": 0})
    await world.run_until_idle()
    assert (await world.task(task)).status == "failed"
    thawed = (await world.supervisor())._parts.repository
    commit = frozen.merge_commit
    with pytest.raises(RefMovedError, match="withdrawn"):
        await thawed.move_branch("main", frozen.target_before, commit, "land", [commit])
    assert world.landed() == []
    assert world.git("rev-parse", "main") == frozen.target_before
    await world.assert_sound()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_due_time_makes_one_task_whenever_the_swarm_that_fires_it_dies(
    world: Any, moment: str
) -> None:
    """Two times of each of two schedules are due; it dies around the second's."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    every: dict[str, Any] = {"missed": MissedPolicy.ALL, "overlap": OverlapPolicy.ALLOW}
    for name in ("first", "second"):
        await add(world, midnight - timedelta(hours=36), "0 0 * * *", name=name, **every)
    die(world, "db.fire", moment, 2)
    for _ in range(2):
        await world.run_until_idle()
        tasks = await world.tasks()
        assert [task.status for task in tasks] == ["completed"] * 4
        assert len({task.idempotency_key for task in tasks}) == 4
    await world.assert_sound()


@pytest.mark.parametrize("point", RESCUE.values(), ids=RESCUE)
async def test_a_rescue_that_is_killed_too(world: Any, point: tuple[str, str, int]) -> None:
    task = await world.submit("Write", SCRIPT)
    die(world, "spool.put", "before", 1)
    die(world, *point)
    await finish(world, task)
    first = (await world.attempts(task))[0]
    assert first.outcome == "lost"
    assert world.git("show", f"{first.salvage_ref}:b.txt") == "b"


BATCH = {
    "claimed": ("db.claim_landings", "after", 1),
    "the second merged": ("repository.merge", "after", 2),
    "judged": ("db.add_gate_runs", "after", 1),
    "announced": ("db.announce", "after", 1),
    "about to move": ("repository.move_branch", "before", 1),
    "moved": ("repository.move_branch", "after", 1),
    "the second proven": ("repository.prove", "after", 2),
    "brought along": ("repository.bring_along", "after", 1),
    "one concluded": ("db.conclude", "after", 1),
    "two concluded": ("db.conclude", "after", 2),
    "all concluded, one place cleared": ("repository.delete_branch", "after", 1),
}


@pytest.mark.parametrize("strategy", ["merge", "squash"])
@pytest.mark.parametrize("point", BATCH.values(), ids=BATCH)
async def test_each_of_a_batch_lands_once(
    world: Any, point: tuple[str, str, int], strategy: str
) -> None:
    world.configure(verify={"command": ["true"]}, landing={"strategy": strategy})
    tasks = [
        await world.submit(f"Add {name}", [{"write": {"path": name, "text": "x\n"}}])
        for name in ("a", "b", "c")
    ]
    await world.run_agents()
    die(world, *point)
    await world.run_until_idle()
    assert [e.text for e in world.events if e.kind is SwarmEventKind.WARNING] == []
    assert [(await world.task(task)).status for task in tasks] == ["completed"] * 3
    assert sorted(world.landed()) == sorted(task.id for task in tasks)
    assert all((world.root / name).read_text() == "x\n" for name in ("a", "b", "c"))
    assert list((world.root / ".abathur" / "worktrees").iterdir()) == []
    await world.assert_sound()
