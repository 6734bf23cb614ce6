"""Work that adds what looks like a secret: a person is told, or asked, before it lands."""

from datetime import UTC, datetime
from typing import Any

import pytest

from abathur.domain.needs import Need
from abathur.domain.reviews import Review
from abathur.services import reviewing
from abathur.swarm.events import SwarmEvent, SwarmEventKind

TOKEN = "ghp_" + "a1B2" * 9
LEAK = [{"write": {"path": "conf/app.env", "text": f"MODE=fast\nTOKEN: {TOKEN}\n"}}]


def calls(world: Any) -> list[SwarmEvent]:
    return [one for one in world.events if one.kind is SwarmEventKind.NEEDS_PERSON]


async def reviews(world: Any) -> list[Review]:
    return list(await world.db.read(lambda stores: stores.reviews.open()))


async def test_a_person_is_told_of_work_that_lands_with_a_secret(world: Any) -> None:
    task = await world.submit("Configure", LEAK)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    (call,) = calls(world)
    assert (call.task_id, call.data["need"]) == (task.id, Need.SECRET)
    assert "conf/app.env:2" in call.text
    assert TOKEN not in call.text
    kinds = world.kinds(task)
    assert kinds.index(SwarmEventKind.NEEDS_PERSON) < kinds.index(SwarmEventKind.TASK_COMPLETED)


async def test_where_it_is_held_it_lands_when_a_person_says_so(world: Any) -> None:
    world.configure(landing={"secrets": "hold"})
    task = await world.submit("Configure", LEAK)
    plain = await world.submit("Write", [{"write": {"path": "a.txt", "text": "plain\n"}}])
    result = await world.run_until_idle()
    assert result.completed == 1
    assert (await world.task(plain)).status == "completed"
    (review,) = await reviews(world)
    assert review.question.endswith("although it adds what looks like a secret?")
    assert review.data["leaks"] == [
        {"path": "conf/app.env", "line": 2, "text": "TOKEN: [REDACTED]"}
    ]
    assert [call.data["need"] for call in calls(world)] == [Need.SECRET, Need.REVIEW]
    world.events.clear()
    said = {"comment": None, "allow": (), "actor": "cli:bob", "now": datetime.now(UTC)}
    await world.db.write(reviewing.approve, review.id, **said)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert calls(world) == []


@pytest.mark.parametrize("place", ["before", "off", "unchanged"])
async def test_nobody_is_called_for_nothing(world: Any, place: str) -> None:
    steps: list[dict[str, Any]] = list(LEAK)
    if place == "before":  # what the target has had already is no news
        (world.root / "conf").mkdir()
        (world.root / "conf" / "app.env").write_text(f"A=1\nTOKEN: {TOKEN}\nB=1\n")
        world.git("add", "conf")
        world.git("commit", "-qm", "Configure")
        steps = [{"replace": {"path": "conf/app.env", "old": "A=1", "new": "A=2"}}]
    elif place == "off":
        world.configure(landing={"secrets": "off"})
    else:
        steps = []
    task = await world.submit("Configure", steps)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert calls(world) == []


async def test_an_approval_that_is_needed_anyway_is_asked_with_the_evidence(world: Any) -> None:
    world.configure(review={"required_for": ["main"]})
    await world.submit("Configure", LEAK)
    await world.run_until_idle()
    (review,) = await reviews(world)
    assert [leak["line"] for leak in review.data["leaks"]] == [2]
