"""A full disk: nothing is started, room is made by proof, and it goes on when there is room."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.disk import Kept
from abathur.domain.hosts import machine_of
from abathur.services import pausing
from abathur.swarm.disk_watch import DiskWatch
from abathur.swarm.supervisor import Supervisor
from tests.swarm.conftest import made_world

SECONDS = 30
"""After which something hangs."""
MEGABYTE = 1_000_000
WRITE = [{"write": {"path": "a.txt", "text": "a\n"}}]


def can_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


@pytest.fixture
def small_disk(git_repo: Path) -> Iterator[Path]:
    """A disk of 24 MB in the place of `.abathur`."""
    folder = git_repo / ".abathur"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if not can_mount() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting takes more rights than there are")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
async def small(git_repo: Path, small_disk: Path) -> AsyncIterator[Any]:
    async with made_world(git_repo, small_disk / "abathur.db", has_folder=True) as world:
        yield world


@dataclass
class Said:
    """A disk that says what it is told to."""

    real: Any
    room: int = 10**12
    size: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def free(self) -> int:
        return self.room

    async def kept(self) -> Kept:
        return Kept(transcripts=self.size)


async def watch(world: Any, disk: Any = None) -> DiskWatch:
    parts = (await world.supervisor())._parts
    made = Supervisor(replace(parts, disk=disk or parts.disk), world.events.append)
    return DiskWatch(made._parts, made._state)


async def holds(world: Any) -> list[Any]:
    return list(await world.db.read(lambda stores: stores.admission.holds()))


async def test_a_swarm_on_a_full_disk_starts_nothing_and_goes_on_when_there_is_room(
    small: Any,
) -> None:
    small.configure(disk={"min_free": "8MB"})
    ballast = small.root / ".abathur" / "ballast"
    ballast.write_bytes(b"x" * 18 * MEGABYTE)
    task = await small.submit("Write", WRITE)
    heard = asyncio.Event()

    def hear(event: Any) -> None:
        small.events.append(event)
        heard.set()

    async def until(kind: str) -> None:
        while kind not in small.kinds():
            heard.clear()
            await heard.wait()

    supervisor = Supervisor((await small.supervisor())._parts, hear)
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(SECONDS):
        await until("needs_person")
        (hold,) = await holds(small)
        machine = machine_of(supervisor._parts.host)
        assert (hold.scope, hold.cause, hold.name) == ("host", "disk", machine)
        assert "are free on the disk, and 8.0 MB have to be (`disk.min_free`)" in hold.reason
        supervisor._state.ring_all()
        assert (await small.task(task)).status == "ready"
        ballast.unlink()
        supervisor._state.ring_all()
        await until("task_completed")
        supervisor.stop()
        await running
    assert await holds(small) == []
    kinds = [kind for kind in small.kinds() if kind in ("room_again", "task_claimed")]
    assert kinds == ["room_again", "task_claimed"]
    (event,) = [event for event in small.events if event.kind == "needs_person"]
    assert event.data["need"] == "hold"
    await small.assert_sound()


async def test_until_idle_ends_as_held_while_the_disk_is_full(world: Any) -> None:
    world.configure(disk={"min_free": "1000TB"})
    await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).stopped_by == "held"
    world.configure()
    assert (await world.run_until_idle()).completed == 1
    assert await holds(world) == []


async def test_the_oldest_transcripts_of_completed_tasks_go_first_and_the_newest_stay(
    world: Any,
) -> None:
    tasks = [await world.submit(f"Task {number}", WRITE) for number in range(4)]
    failed = await world.submit("Fails", [{"fail": "no luck"}], max_retries=0)
    await world.run_until_idle()
    waiting = await world.submit("Waits", WRITE)
    runs = world.root / ".abathur" / "runs"
    (runs / waiting.id).mkdir()
    stranger = runs / "not-a-task"
    stranger.mkdir()
    world.configure(disk={"max_kept": "1MB", "keep_transcripts": 1})
    disk = Said((await world.supervisor())._parts.disk, size=2 * MEGABYTE)
    await (await watch(world, disk)).round()
    done = [await world.task(task) for task in tasks]
    newest = max(done, key=lambda task: (task.completed_at, task.id))
    left = {path.name for path in runs.iterdir()}
    assert left == {newest.id, failed.id, waiting.id, stranger.name}
    assert [(hold.cause, hold.scope) for hold in await holds(world)] == [("disk", "host")]
    entries = await world.db.read(lambda stores: stores.audit.recent(1000))
    told = [one for one in entries if one.action_type == "transcripts_removed"]
    assert {one.task_id for one in told} == {task.id for task in tasks} - {newest.id}
    assert all(one.action_data["bytes"] > 0 for one in told)
    await world.assert_sound()


async def test_no_more_transcripts_go_than_have_to(world: Any) -> None:
    for number in range(3):
        await world.submit(f"Task {number}", WRITE)
    await world.run_until_idle()
    world.configure(disk={"keep_transcripts": 0})
    real = (await world.supervisor())._parts.disk

    class Freed(Said):
        async def drop_transcripts(self, task_id: str) -> int:
            self.room = 10**12
            return int(await self.real.drop_transcripts(task_id))

    disk = Freed(real, room=1)
    await (await watch(world, disk)).round()
    assert disk.room == 10**12
    assert await holds(world) == []
    warnings = [event.text for event in world.events if event.kind == "warning"]
    assert any("were removed to make room" in text for text in warnings)


async def test_unproven_work_stays_whatever_the_disk_says(world: Any) -> None:
    """A worktree in which a failed attempt left something is kept by its salvage ref first."""
    task = await world.submit("Fails", [*WRITE, {"fail": "no luck"}], max_retries=0)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    await (await watch(world, Said((await world.supervisor())._parts.disk, room=0))).round()
    assert world.git("show", f"{attempt.salvage_ref}:a.txt") == "a"
    assert (world.root / ".abathur" / "runs" / task.id).is_dir()


async def test_a_hold_waits_for_more_room_than_its_limit_and_comes_back_when_it_is_resumed(
    world: Any,
) -> None:
    disk = Said((await world.supervisor())._parts.disk, room=499 * MEGABYTE)
    looking = await watch(world, disk)
    await looking.round()
    for room, held in ((510, 1), (551, 0), (510, 0), (499, 1)):
        disk.room = room * MEGABYTE
        await looking.round()
        assert (room, len(await holds(world))) == (room, held)
    await world.db.write(pausing.resume_all, now=datetime.now(UTC), actor="cli:eve")
    await looking.round()
    assert len(await holds(world)) == 1


async def test_what_is_landing_lands_though_there_is_no_room_and_nothing_else_begins(
    world: Any,
) -> None:
    begun, go = world.root / ".abathur" / "begun", world.root / ".abathur" / "go"
    os.mkfifo(begun)
    os.mkfifo(go)
    world.configure(verify={"command": ["sh", "-c", f"echo run > {begun}; read word < {go}"]})
    landing = await world.submit("Write", WRITE)
    disk = Said((await world.supervisor())._parts.disk)
    looking = await watch(world, disk)
    running = asyncio.create_task(world.run_until_idle())
    async with asyncio.timeout(SECONDS):
        await asyncio.to_thread(begun.read_text)
        disk.room = 0
        await looking.round()
        waiting = await world.submit("Write more", WRITE)
        await asyncio.to_thread(go.write_text, "on\n")
        await running
    assert len(await holds(world)) == 1
    assert (await world.task(landing)).status == "completed"
    assert (await world.task(waiting)).status == "ready"
    assert world.landed() == [landing.id]
    disk.room = 10**12
    await looking.round()
    assert await holds(world) == []
    await world.assert_sound()


async def test_a_hold_of_another_host_keeps_nobody_here(world: Any) -> None:
    looking = await watch(world, Said((await world.supervisor())._parts.disk, room=0))
    looking._parts = replace(looking._parts, host="elsewhere")
    await looking.round()
    assert [hold.name for hold in await holds(world)] == ["elsewhere"]
    await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).completed == 1
    assert [hold.name for hold in await holds(world)] == ["elsewhere"]


async def test_a_hold_of_an_earlier_boot_ends_when_there_is_room(world: Any) -> None:
    disk = Said((await world.supervisor())._parts.disk, room=0)
    looking = await watch(world, disk)
    host = machine_of(looking._parts.host)
    looking._parts = replace(looking._parts, host=f"{host}:now:1")
    await looking.round()
    (hold,) = await holds(world)
    for name in (f"{host}:before", "elsewhere:now"):
        other = replace(hold, id=f"disk:{name}", name=name)
        await world.db.write(lambda stores, one=other: stores.admission.put_hold(one))
    disk.room = 10**12
    await looking.round()
    assert [hold.name for hold in await holds(world)] == ["elsewhere:now"]


async def test_what_is_kept_is_measured_part_by_part(world: Any) -> None:
    await world.submit("Fails", [*WRITE, {"fail": "no luck"}], max_retries=0)
    await world.submit("Works", WRITE)
    await world.run_until_idle()
    kept = await (await world.supervisor())._parts.disk.kept()
    assert kept.transcripts > 0
    assert kept.salvage > 0
    assert kept.total >= kept.transcripts + kept.salvage
