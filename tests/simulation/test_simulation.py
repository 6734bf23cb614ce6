"""Schedules by the hundred find nothing, and find each of the mistakes that are made on purpose."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from abathur.domain.landing import Announcement, Landing
from abathur.ports.stores import Stores
from abathur.services import landing, running
from abathur.swarm.lifeline import Orphans
from tests.simulation import actors
from tests.simulation.actors import Supervisor
from tests.simulation.git import Git
from tests.simulation.world import Plan, Queue, shrunk

SEEDS = 200
SEEDS_TO_NOTICE = 60

Break = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def queue() -> Iterator[Queue]:
    made = Queue()
    yield made
    made.close()


def first_failure(queue: Queue, seeds: int) -> Plan | None:
    plans = (Plan(seed=seed) for seed in range(seeds))
    return next((plan for plan in plans if queue.play(plan) is not None), None)


def test_no_schedule_breaks_a_promise(queue: Queue) -> None:
    failed = first_failure(queue, SEEDS)
    if failed is not None:
        least = shrunk(queue, failed)
        pytest.fail(f"{least} ends with: {queue.play(least)}")


def test_a_plan_always_gives_the_same_history(queue: Queue) -> None:
    histories: list[list[str]] = []
    for _ in range(2):
        queue.play(Plan(seed=3), lambda world: histories.append(world.history))
    assert len(histories[0]) > 100
    assert histories[0] == histories[1]


def no_fence_for_runs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(running, "check_fence", lambda *_: None)


def no_fence_for_landings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(landing, "check_fence", lambda *_: None)


def no_announcement(patch: pytest.MonkeyPatch) -> None:
    """The merge isn't written down before the branch is moved."""

    def announce(_: Stores, told: Sequence[Announcement]) -> Sequence[Landing]:
        return [
            replace(one.landing, target_before=one.target_before, merge_commit=one.merge_commit)
            for one in told
        ]

    patch.setattr(landing, "announce", announce)


def no_compare_and_swap(patch: pytest.MonkeyPatch) -> None:
    def move(self: Git, branch: str, old: str, new: str) -> bool:
        self.branches[branch] = new
        return True

    patch.setattr(Git, "move", move)


def no_salvage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Supervisor,
        "_salvage",
        lambda self, task_id, number, work: self.world.drop_branch(f"task/{task_id}/{number}"),
    )


def no_rescue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(actors, "find_orphans", lambda *_: Orphans([], []))


MISTAKES: tuple[Break, ...] = (
    no_fence_for_runs,
    no_fence_for_landings,
    no_announcement,
    no_compare_and_swap,
    no_salvage,
    no_rescue,
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.__name__)
def test_a_mistake_is_noticed(
    queue: Queue, mistake: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    failed = first_failure(queue, SEEDS_TO_NOTICE)
    assert failed is not None
    least = shrunk(queue, failed, tries=30)
    assert least.steps <= failed.steps
    assert queue.play(least) is not None
