"""Dead and stuck workers: what they held comes back, once, with the work kept."""

import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from abathur.services import claiming
from abathur.swarm.lifeline import Lifeline
from tests.forked import Forked

HANG = [
    {"write": {"path": "half.txt", "text": "half\n"}},
    {"spawn": {"argv": ["sleep", "600"], "setsid": True}},
    {"say": "hanging"},
    {"hang": True},
]
FAST = {"max_agents": 3, "grace_seconds": 1, "heartbeat_seconds": 0.2, "lease_seconds": 2}


def read_until(swarm: Forked, text: str) -> None:
    for line in swarm.stdout:
        if text in line:
            return
    raise AssertionError(f"the swarm ended without saying {text!r}")


async def test_a_killed_supervisors_task_is_taken_back_with_its_work(world: Any) -> None:
    script = {"1": HANG, "*": [{"write": {"path": "whole.txt", "text": "whole\n"}}]}
    task = await world.submit("Hang once", script)
    with world.start_swarm("forever") as swarm:
        read_until(swarm, "hanging")
        swarm.send_signal(signal.SIGKILL)
    await world.run_until_idle()
    lost, good = await world.attempts(task)
    assert (lost.outcome, good.outcome) == ("lost", "succeeded")
    assert world.git("show", f"{lost.salvage_ref}:half.txt") == "half"
    assert world.file("whole.txt") == "whole"
    assert (await world.task(task)).retry_count == 0
    await world.assert_sound()


async def test_sigterm_and_sigint_end_a_swarm_in_order(world: Any) -> None:
    world.configure(swarm=FAST)
    for number in (signal.SIGTERM, signal.SIGINT):
        task = await world.submit(f"Hang {number}", HANG)
        with world.start_swarm("forever") as swarm:
            read_until(swarm, "hanging")
            swarm.send_signal(number)
            assert swarm.wait(timeout=60) == 0
        back = await world.task(task)
        assert (back.status, back.worker_id) == ("ready", None)
        await world.assert_sound()


async def test_a_stopped_supervisor_loses_its_lease_and_can_not_write_any_more(world: Any) -> None:
    world.configure(swarm=FAST)
    script = {"1": HANG, "*": [{"write": {"path": "whole.txt", "text": "whole\n"}}]}
    task = await world.submit("Hang once", script)
    with world.start_swarm("forever") as stuck:
        try:
            read_until(stuck, "hanging")
            stuck.send_signal(signal.SIGSTOP)
            # Another supervisor waits for the end of the lease, then takes over.
            await world.run_until_idle()
            stuck.send_signal(signal.SIGCONT)
            read_until(stuck, "lost its lease")
            stuck.send_signal(signal.SIGTERM)
            stuck.wait(timeout=30)
        finally:
            stuck.kill()
    assert [a.outcome for a in await world.attempts(task)] == ["lost", "succeeded"]
    assert world.landed() == [task.id]
    await world.assert_sound()


async def test_a_claim_of_a_worker_that_never_was_is_taken_back_after_its_lease(world: Any) -> None:
    world.configure(swarm=FAST)
    task = await world.submit("Write", [{"write": {"path": "a.txt", "text": "a\n"}}])
    ghost = await world.supervisor()
    row = ghost._row()
    past = datetime.now(UTC) - timedelta(hours=1)
    await world.db.write(lambda stores: stores.workers.insert(row))
    await world.db.write(
        claiming.claim, worker_id=row.id, limit=1, now=past, lease=timedelta(seconds=1)
    )
    await world.run_until_idle()
    assert [a.outcome for a in await world.attempts(task)] == ["lost", "succeeded"]
    await world.assert_sound()


@pytest.mark.parametrize(("namespace", "rescued"), [("", 1), ("another", 0)])
async def test_a_worker_in_another_container_of_this_name_is_not_taken_for_dead(
    world: Any, namespace: str, rescued: int
) -> None:
    await world.submit("Write", [{"write": {"path": "a.txt", "text": "a\n"}}])
    supervisor = await world.supervisor()
    row = supervisor._row()
    machine, boot, own = row.host.split(":")
    # No process has that number, here at least.
    worker = replace(row, host=f"{machine}:{boot}:{namespace or own}", pid=2**22 + 1)
    await world.db.write(lambda stores: stores.workers.insert(worker))
    now, lease = datetime.now(UTC), timedelta(hours=1)
    await world.db.write(claiming.claim, worker_id=worker.id, limit=1, now=now, lease=lease)
    other = await world.supervisor()
    await world.db.write(lambda stores: stores.workers.insert(other._row()))
    assert await Lifeline(other._parts, other._state).rescue() == rescued
