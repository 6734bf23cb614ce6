"""Reports outlive databases that are away, disks that are full, and the loss of a lease."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import SpoolError
from abathur.services import claiming
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.lifeline import Lifeline
from abathur.swarm.supervisor import Supervisor
from tests.swarm.test_adversity import SECONDS, WRITE, Faulty, warnings
from tests.swarm.test_kill_points import die


def spool(world: Any) -> Path:
    return Path(world.root, ".abathur", "spool")


def entries(world: Any) -> list[str]:
    return sorted(path.name for path in spool(world).iterdir()) if spool(world).exists() else []


async def supervisor(world: Any, **changes: Any) -> Supervisor:
    parts = (await world.supervisor())._parts
    return Supervisor(replace(parts, **changes), world.events.append)


async def outcomes(world: Any, task: Any) -> list[str]:
    return [one.outcome for one in await world.attempts(task)]


class NoSpace:
    """A disk that takes no report."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def put(self, *_: object) -> None:
        raise SpoolError("no space left on device")


async def test_a_stop_while_the_database_is_away_leaves_the_report_to_the_next(world: Any) -> None:
    # The second swarm is of the same process, so only the lease tells that the first is gone.
    swarm = {"grace_seconds": 1, "heartbeat_seconds": 0.2, "lease_seconds": 2}
    world.configure(swarm=swarm)
    task = await world.submit("Write", WRITE)
    db = Faulty(world.db, failing={"report": 10_000})
    first = await supervisor(world, db=db)
    running = asyncio.create_task(first.run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        await db.reached.wait()
        first.stop()
        await running
    assert len(entries(world)) == 1
    await world.run_until_idle()
    assert await outcomes(world, task) == ["succeeded"]
    assert entries(world) == []
    await world.assert_sound()


async def test_a_full_disk_and_a_database_that_is_away_lose_nothing(world: Any) -> None:
    task = await world.submit("Write", WRITE)
    parts = (await world.supervisor())._parts
    db = Faulty(world.db, failing={"report": 2})
    swarm = Supervisor(replace(parts, db=db, spool=NoSpace(parts.spool)), world.events.append)
    async with asyncio.timeout(SECONDS):
        await swarm.run(until_idle=True)
    assert any("no space left" in text for text in warnings(world))
    assert await outcomes(world, task) == ["succeeded"]
    await world.assert_sound()


@pytest.mark.parametrize("end", [[], [{"fail": "no luck"}]])
async def test_a_report_that_comes_too_late_is_evidence_and_its_work_is_kept(
    world: Any, end: Any
) -> None:
    task = await world.submit("Write", {"1": [*WRITE, *end], "*": WRITE})
    die(world, "spool.put", "after", 1)
    # Somebody on another machine, who sees neither this spool nor this worktree, was faster.
    held = await world.task(task)
    other = (await world.supervisor())._row()
    await world.db.write(lambda stores: stores.workers.insert(other))
    await world.db.write(
        claiming.adopt,
        task.id,
        fence=held.fence,
        worker_id=other.id,
        now=other.started_at,
        lease=other.lease_until - other.started_at,
    )
    await world.db.write(lambda stores: stores.workers.mark_stopped(other.id, other.started_at))
    swarm = await world.supervisor()
    await world.db.write(lambda stores: stores.workers.insert(swarm._row()))
    await Lifeline(swarm._parts, swarm._state).rescue()
    (late,) = await world.db.read(lambda stores: stores.attempts.late_reports(task.id))
    assert late.report["outcome"]["kind"] == ("failed" if end else "succeeded")
    (first, *_) = await world.attempts(task)
    assert first.outcome == "lost"
    assert world.git("show", f"{first.salvage_ref}:new.txt") == "hello"
    assert entries(world) == []
    assert any("too late" in text for text in warnings(world))


async def test_a_corrupt_entry_is_told_and_the_task_is_run_again(world: Any) -> None:
    task = await world.submit("Write", WRITE)
    die(world, "spool.put", "after", 1)
    (entry,) = spool(world).iterdir()
    entry.write_bytes(entry.read_bytes()[:-10])
    await world.run_until_idle()
    assert await outcomes(world, task) == ["lost", "succeeded"]
    assert entries(world) == [f"{entry.name}.corrupt"]
    told = [e.text for e in world.events if e.kind is SwarmEventKind.WARNING]
    assert any("set aside" in text for text in told)
    await world.assert_sound()


async def test_a_replayed_report_of_work_in_the_middle_of_a_rebase_lands_nothing(
    world: Any,
) -> None:
    git = "git -c user.name=A -c user.email=a@x"
    steps = (
        f"echo 1 > one; git add .; {git} commit -qm one; echo 2 > two; git add .; "
        f"{git} commit -qm two; {git} -c sequence.editor='sed -i 1s/pick/edit/' rebase -qi HEAD~2"
    )
    task = await world.submit("Rebase", [{"run": steps}], max_retries=0)
    die(world, "spool.put", "after", 1)
    assert len(entries(world)) == 1
    await world.run_until_idle()
    assert await outcomes(world, task) == ["failed"]
    assert "in the middle of a rebase" in (await world.task(task)).error_message
    assert world.landed() == []
    (attempt,) = await world.attempts(task)
    assert "two" in world.git("ls-tree", "--name-only", attempt.salvage_ref).split()
    assert entries(world) == []
    await world.assert_sound()
