"""A target that somebody moves back or rewrites while work for it is under way."""

from datetime import UTC, datetime
from typing import Any

from abathur.domain.briefing import feedback_text
from abathur.domain.reviews import Review
from abathur.domain.runs import Attempt
from abathur.domain.tasks import Task
from abathur.infrastructure.git.repository import open_repository
from abathur.services import reviewing
from abathur.services.reading import explain_task
from abathur.swarm.answering import reject

WRITE = [{"write": {"path": "new.txt", "text": "hello\n"}}]


def commit(world: Any, path: str) -> str:
    (world.root / path).write_text("text\n")
    world.git("add", path)
    world.git("commit", "-qm", f"Add {path}")
    return str(world.git("rev-parse", "HEAD"))


async def finished_before_a_reset(world: Any, **fields: Any) -> tuple[Task, str]:
    """Work that began on a commit that is no longer on main."""
    removed = commit(world, "secret.txt")
    task = await world.submit("Write", WRITE, **fields)
    await world.run_agents()
    world.git("reset", "-q", "--hard", "HEAD~1")
    return task, removed


async def the_review(world: Any) -> Review:
    (review,) = await world.db.read(lambda stores: stores.reviews.open())
    assert isinstance(review, Review)
    return review


async def approve(world: Any, review: Review) -> None:
    said = {"comment": None, "allow": (), "actor": "cli:eve", "now": datetime.now(UTC)}
    await world.db.write(reviewing.approve, review.id, **said)


async def test_nothing_that_was_removed_from_a_target_comes_back_unasked(world: Any) -> None:
    task, removed = await finished_before_a_reset(world)
    before = world.git("rev-parse", "main")
    after = await world.submit("Other work", [{"write": {"path": "b", "text": "b\n"}}])
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (1, 0)
    assert (await world.task(after)).status == "completed"
    assert world.git("rev-parse", "main~1") == before
    review = await the_review(world)
    assert review.task_id == task.id
    assert review.data["rewritten"] == [{"commit": removed, "subject": "Add secret.txt"}]
    now = datetime.now(UTC)
    _, told = await world.db.read(explain_task, task.id, now, lambda _: True)
    assert "main was moved back or rewritten since it began" in told.summary
    assert f"brings back {removed[:12]}: Add secret.txt" in told.details
    assert "abathur review approve" in told.next_step

    await approve(world, review)
    assert (await world.run_until_idle()).completed == 1
    world.git("merge-base", "--is-ancestor", removed, "main")
    await world.assert_sound()


async def test_an_approval_counts_for_what_was_told_to_come_back_alone(world: Any) -> None:
    world.configure(review={"required_for": ["main"]})
    _, removed = await finished_before_a_reset(world)
    early = await the_review(world)
    assert "rewritten" not in early.data
    await approve(world, early)
    await world.run_until_idle()
    late = await the_review(world)
    assert late.data["rewritten"][0]["commit"] == removed


async def test_rejected_work_is_done_again_on_the_target_as_it_is(world: Any) -> None:
    task, removed = await finished_before_a_reset(world)
    await world.run_until_idle()
    repository = await open_repository(world.root)
    await reject(
        world.db,
        repository,
        (await the_review(world)).id,
        comment="it held a key",
        cancels=False,
        actor="cli:eve",
        now=datetime.now(UTC),
    )
    assert (await world.run_until_idle()).completed == 1
    again: Attempt = (await world.attempts(task))[1]
    text = feedback_text(again.feedback)
    assert "don't bring back what was removed from `main`" in text
    assert "it held a key" in text
    assert removed not in world.git("rev-list", "main")
    assert world.file("new.txt") == "hello"
    await world.assert_sound()


async def test_a_task_that_found_nothing_to_do_looks_again_at_a_rewritten_target(
    world: Any,
) -> None:
    commit(world, "there.txt")
    task = await world.submit("Look")
    await world.run_agents()
    world.git("reset", "-q", "--hard", "HEAD~1")
    assert (await world.run_until_idle()).completed == 1
    assert [one.number for one in await world.attempts(task)] == [1, 2]
    await world.assert_sound()


async def test_a_target_that_is_moved_back_while_a_gate_runs_is_asked_about(world: Any) -> None:
    commit(world, "secret.txt")
    once = world.root / ".abathur" / "once"
    move = (
        f'test -e "{once}" || {{ touch "{once}"; git -C "{world.root}" reset -q --hard HEAD~1; }}'
    )
    world.configure(verify={"command": ["sh", "-c", move]})
    before = world.git("rev-parse", "main~1")
    await world.submit("Write", WRITE)
    assert (await world.run_until_idle()).completed == 0
    assert world.git("rev-parse", "main") == before
    assert (await the_review(world)).data["rewritten"][0]["subject"] == "Add secret.txt"
