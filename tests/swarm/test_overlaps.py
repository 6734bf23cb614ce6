"""What two tasks turned out to change both is told before it lands, and keeps nobody."""

from typing import Any

from abathur.domain.audit import Action
from abathur.swarm.events import SwarmEvent


def change(path: str, text: str) -> list[dict[str, Any]]:
    return [{"write": {"path": path, "text": text}}]


async def test_two_tasks_that_changed_the_same_are_told_and_both_land(world: Any) -> None:
    world.configure(landing={"batch_size": 1})
    same = "docs/page.txt"
    first = await world.submit("First", change(same, "same\n"), touches=("src/",))
    second = await world.submit("Second", change(same, "same\n"))
    await world.run_agents()
    assert (await world.run_until_idle()).completed == 2
    told = [event for event in world.events if event.kind == "overlap_found"]
    assert [(event.task_id, event.data) for event in told] == [
        (first.id, {"with_task": second.id, "paths": [same]})
    ]
    assert told[0].text == f"task {second.id} works on {same} too"
    for task, other in ((first, second), (second, first)):
        entries = await world.db.read(lambda stores, one=task: stores.audit.of_task(one.id))
        found = [one for one in entries if one.action_type is Action.OVERLAP_FOUND]
        assert [one.action_data["with_task"] for one in found] == [other.id]
    await world.assert_sound()


async def test_a_change_of_what_a_task_at_work_has_declared_is_told(world: Any) -> None:
    go = world.root / ".abathur" / "go"
    waiting = [{"wait_for": str(go)}, *change("src/a.txt", "a\n")]
    declares = await world.submit("Declares", waiting, touches=("src/",))
    stray = await world.submit("Strays", change("src/b.txt", "b\n"))

    class Following(list[SwarmEvent]):
        def append(self, event: SwarmEvent) -> None:
            super().append(event)
            if (event.kind, event.task_id) == ("task_completed", stray.id):
                go.touch()

    world.events = Following()
    assert (await world.run_until_idle()).completed == 2
    told = [event for event in world.events if event.kind == "overlap_found"]
    assert (stray.id, {"with_task": declares.id, "paths": ["src/b.txt"]}) in [
        (event.task_id, event.data) for event in told
    ]
    await world.assert_sound()
