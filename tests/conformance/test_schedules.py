"""Tasks that come again, on every engine: each due time is worth exactly one task."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, InvalidInputError, NotFoundError
from abathur.domain.schedules import MissedPolicy, OverlapPolicy, Schedule
from abathur.domain.tasks import Task, TaskStatus
from abathur.infrastructure.timetable import next_time
from abathur.ports.stores import TaskFilter
from abathur.ports.upkeep import PruneFilter
from abathur.services import pruning, scheduling
from abathur.services.scheduling import Fired

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
ALICE = "cli:alice"
WORKER = "worker:w1"
LOOSE = {"missed": MissedPolicy.ALL, "overlap": OverlapPolicy.ALLOW}


def schedule(queue: Any, cron: str = "0 * * * *", name: str = "hourly", **more: Any) -> Schedule:
    values: dict[str, Any] = {
        "id": f"id-{name}",
        "name": name,
        "cron": cron,
        "time_zone": "UTC",
        "template": {"prompt": "Tidy up", "priority": 7, "touches": ["docs/"]},
        "missed": MissedPolicy.SKIP,
        "overlap": OverlapPolicy.SKIP,
        "next_at": None,
        "last_at": None,
        "last_task_id": None,
        "paused_at": None,
        "created_by": ALICE,
        "created_at": queue.now,
    }
    return Schedule(**{**values, **more})


async def add(queue: Any, *args: Any, **more: Any) -> Schedule:
    made: Schedule = await queue.write(scheduling.add, schedule(queue, *args, **more), next_time)
    return made


async def fire(queue: Any, name: str = "hourly") -> Fired | None:
    fired: Fired | None = await queue.write(
        scheduling.fire,
        f"id-{name}",
        next_time,
        new_id=queue.new_id,
        now=queue.now,
        actor=WORKER,
    )
    return fired


async def tasks(queue: Any) -> list[Task]:
    return list(await queue.read(lambda stores: stores.tasks.select(TaskFilter())))


async def stored(queue: Any, name: str = "hourly") -> Schedule:
    found: Schedule = await queue.read(scheduling.find, name)
    return found


async def test_a_due_time_makes_one_task_with_all_that_the_template_says(queue: Any) -> None:
    await add(queue, template={"prompt": "Tidy up", "priority": 7, "budget_usd": 2.5})
    assert await fire(queue) is None
    queue.pass_time(3600)
    fired = await fire(queue)
    assert fired is not None
    (task,) = await tasks(queue)
    assert (task.prompt, task.priority, task.created_by) == ("Tidy up", 7, "schedule:hourly")
    assert [one.id for one in fired.tasks] == [task.id]
    after = await stored(queue)
    assert (after.last_task_id, after.last_at) == (task.id, NOON + timedelta(hours=1))
    assert after.next_at == NOON + timedelta(hours=2)
    assert await fire(queue) is None
    assert len(await tasks(queue)) == 1
    assert [entry.action_type for entry in await queue.audit() if not entry.task_id] == [
        Action.SCHEDULE_ADDED,
        Action.SCHEDULE_FIRED,
    ]


async def test_any_number_of_swarms_make_one_task_for_a_due_time(queue: Any) -> None:
    await add(queue)
    queue.pass_time(3600)
    fired = await asyncio.gather(*(fire(queue) for _ in range(8)))
    assert sum(one is not None for one in fired) == 1
    assert len(await tasks(queue)) == 1


async def test_a_due_time_that_was_submitted_before_isnt_submitted_again(queue: Any) -> None:
    """As when somebody puts the schedule of a backup back in its place."""
    before = await add(queue)
    queue.pass_time(3600)
    await fire(queue)
    await queue.write(lambda stores: stores.schedules.save(before))
    again = await fire(queue)
    assert again is not None
    assert [one.id for one in again.tasks] == [one.id for one in await tasks(queue)]


async def test_missed_times_are_made_up_for_by_one_task(queue: Any) -> None:
    await add(queue)
    queue.pass_time(5 * 3600 + 60)
    fired = await fire(queue)
    assert fired is not None
    assert (len(fired.tasks), fired.missed) == (1, 4)
    assert fired.schedule.next_at == NOON + timedelta(hours=6)
    assert len(await tasks(queue)) == 1


async def test_missed_times_are_all_made_up_for_when_that_is_wanted_but_only_so_many(
    queue: Any,
) -> None:
    await add(queue, **LOOSE)
    queue.pass_time(5 * 3600 + 60)
    fired = await fire(queue)
    assert fired is not None
    assert (len(fired.tasks), fired.missed) == (5, 0)
    queue.pass_time(30 * 86_400)
    assert len((await fire(queue) or fired).tasks) == 100
    assert (await stored(queue)).next_at == queue.now + timedelta(minutes=59)
    assert await fire(queue) is None


async def test_a_due_time_passes_while_the_task_before_isnt_finished(queue: Any) -> None:
    await add(queue)
    queue.pass_time(3600)
    await fire(queue)
    queue.pass_time(3600)
    skipped = await fire(queue)
    assert skipped is not None
    (first,) = await tasks(queue)
    assert (list(skipped.tasks), skipped.problem) == (
        [],
        f"its last task {first.id} is still ready",
    )
    assert (await queue.audit())[-1].action_type is Action.SCHEDULE_SKIPPED
    await queue.complete_next()
    queue.pass_time(3600)
    assert [one.status for one in (await fire(queue) or skipped).tasks] == [TaskStatus.READY]


async def test_tasks_pile_up_only_when_that_is_wanted(queue: Any) -> None:
    await add(queue, overlap=OverlapPolicy.ALLOW)
    for _ in range(3):
        queue.pass_time(3600)
        await fire(queue)
    assert len(await tasks(queue)) == 3


async def test_a_template_that_cant_be_submitted_passes_its_time_and_stops_nobody(
    queue: Any,
) -> None:
    dead = await queue.submit(max_retries=0)
    await queue.fail_next()
    await add(queue, template={"prompt": "After it", "prerequisites": [dead.id]})
    queue.pass_time(3600)
    fired = await fire(queue)
    assert fired is not None
    assert "is failed and would block this task for ever" in fired.problem
    assert (await stored(queue)).next_at == NOON + timedelta(hours=2)
    assert len(await tasks(queue)) == 1


async def test_a_paused_schedule_makes_nothing_and_what_it_missed_stays_missed(queue: Any) -> None:
    await add(queue)
    await queue.write(scheduling.pause, "hourly", now=queue.now, actor=ALICE)
    with pytest.raises(IllegalTransitionError, match="paused already"):
        await queue.write(scheduling.pause, "hourly", now=queue.now, actor=ALICE)
    queue.pass_time(5 * 3600 + 60)
    assert await queue.read(lambda stores: stores.schedules.due(queue.now)) == []
    assert await queue.read(lambda stores: stores.schedules.next_at()) is None
    assert await fire(queue) is None
    told = [entry.action_type for entry in await queue.audit() if not entry.task_id]
    assert told == [Action.SCHEDULE_ADDED, Action.SCHEDULE_PAUSED]
    resumed = await queue.write(scheduling.resume, "hourly", next_time, now=queue.now, actor=ALICE)
    assert resumed.next_at == NOON + timedelta(hours=6)
    assert await tasks(queue) == []


async def test_a_schedule_is_run_at_once_without_moving_its_times(queue: Any) -> None:
    await add(queue)
    for _ in range(2):
        await queue.write(
            scheduling.run, "hourly", task_id=queue.new_id(), now=queue.now, actor=ALICE
        )
    assert len(await tasks(queue)) == 2
    assert (await stored(queue)).next_at == NOON + timedelta(hours=1)


async def test_a_removed_schedule_leaves_its_tasks(queue: Any) -> None:
    await add(queue)
    queue.pass_time(3600)
    await fire(queue)
    await queue.write(scheduling.remove, "hourly", now=queue.now, actor=ALICE)
    with pytest.raises(NotFoundError, match="no schedule has the name `hourly`"):
        await queue.read(scheduling.find, "hourly")
    assert await fire(queue) is None
    assert len(await tasks(queue)) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": "../x"}, "isn't a name"),
        ({"name": "hourly"}, "is there already"),
        ({"cron": "soon"}, "isn't minute, hour"),
        ({"cron": "0 0 31 2 *"}, "can't be read"),
        ({"time_zone": "Mars/Base"}, "isn't known on this machine"),
        ({"template": {"prompt": " "}}, "it is empty"),
        ({"template": {"prompt": "x", "colour": "red"}}, "`colour` is nothing that a task has"),
        ({"missed": MissedPolicy.ALL}, "needs overlap `allow`"),
    ],
)
async def test_what_cant_work_is_refused_when_it_is_added(
    queue: Any, wrong: dict[str, Any], told: str
) -> None:
    await add(queue)
    with pytest.raises(InvalidInputError, match=told):
        await add(queue, **{"name": "other", **wrong})


async def test_a_schedule_whose_zone_is_gone_is_paused_and_told(queue: Any) -> None:
    await add(queue)
    queue.pass_time(3600)
    await queue.write(_rename_zone)
    fired = await fire(queue)
    assert fired is not None
    assert "its next time can't be told" in fired.problem
    assert fired.schedule.paused_at == queue.now


def _rename_zone(stores: Any) -> None:
    found = stores.schedules.by_name("hourly")
    stores.schedules.delete(found.id)
    stores.schedules.insert(type(found)(**{**vars(found), "time_zone": "Mars/Base"}))


async def test_a_schedule_goes_on_when_its_last_task_was_pruned(queue: Any) -> None:
    await add(queue)
    queue.pass_time(3600)
    await fire(queue)
    await queue.complete_next()
    queue.pass_time(3600)
    ended = await queue.read(pruning.select, PruneFilter(), now=queue.now, in_git={})
    await queue.write(pruning.prune, ended.tasks, now=queue.now, actor=ALICE)
    assert await tasks(queue) == []
    assert (await stored(queue)).last_task_id is None
    fired = await fire(queue)
    assert fired is not None
    assert len(fired.tasks) == 1
