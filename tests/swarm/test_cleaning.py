"""What goes by itself is proven to be of no use: by git, by the database, by the person's word."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from abathur.domain.cleaning import Unneeded
from abathur.ports.upkeep import PruneFilter
from abathur.services import cancelling, pruning
from abathur.swarm.cleaning import Cleaner
from tests.swarm.test_kill_points import die
from tests.swarm.test_pruned import FAIL, WRITE, prune_by_force

YEAR = timedelta(days=365)
LATE = datetime.now(UTC) + YEAR


async def cleaner(world: Any) -> Cleaner:
    parts = (await world.supervisor())._parts
    return Cleaner(
        db=parts.db,
        repository=parts.repository,
        disk=parts.disk,
        spool=parts.spool,
        actor="cli:eve",
        complain=world.events.append,
    )


async def cleaned(world: Any, max_age: timedelta | None = None) -> Sequence[Unneeded]:
    cleaning = await cleaner(world)
    settings = (await world.supervisor())._parts.settings
    found = await cleaning.find(settings, LATE, max_age)
    assert await cleaning.remove(found, LATE) == found
    assert await cleaning.find(settings, LATE, max_age) == []
    return found


async def trail(world: Any, action: str) -> list[dict[str, Any]]:
    entries = await world.db.read(lambda stores: stores.audit.recent(1000))
    return [one.action_data for one in entries if one.action_type == action]


def salvaged(world: Any) -> set[str]:
    said = world.git("for-each-ref", "--format=%(refname)", "refs/abathur/salvage")
    return set(said.split())


async def test_a_salvage_ref_goes_when_its_target_contains_it_and_no_other_does(world: Any) -> None:
    tasks = [await world.submit(text, FAIL, max_retries=0) for text in ("One", "Two", "Open")]
    await world.run_until_idle()
    one, two, still_open = [(await world.attempts(task))[0].salvage_ref for task in tasks]
    await world.db.write(cancelling.retry, tasks[2].id, now=datetime.now(UTC), actor="cli:eve")
    assert await cleaned(world) == []
    for ref in (one, still_open):
        world.git("merge", "--quiet", "--no-edit", "-s", "ours", ref)
    (gone,) = await cleaned(world)
    assert (gone.kind, gone.name, gone.target) == ("salvage", one, "main")
    assert salvaged(world) == {two, still_open}
    (told,) = await trail(world, "salvage_removed")
    assert told["name"] == one
    assert told["target"] == "main"
    assert world.git("merge-base", told["commit"], "main") == told["commit"]
    assert [(await world.attempts(task))[0].salvage_ref for task in tasks[:2]] == [None, two]
    await world.assert_sound()


async def test_transcripts_go_when_their_task_ended_long_ago_or_was_pruned(world: Any) -> None:
    pruned = await world.submit("Pruned", WRITE)
    await world.run_until_idle()
    failed = await world.submit("Fails", [{"fail": "no luck"}], max_retries=0)
    await world.run_until_idle()
    late = datetime.now(UTC)
    where = PruneFilter(ids=[pruned.id])
    selection = await world.db.read(pruning.select, where, now=late, in_git={}, force=True)
    await world.db.write(pruning.prune, selection.tasks, now=late, actor="cli:alice")
    waiting = await world.submit("Waits", WRITE)
    runs = world.root / ".abathur" / "runs"
    stranger = "01890000-0000-7000-8000-000000000000"
    for name in (waiting.id, stranger):
        (runs / name).mkdir()
    assert {one.task_id for one in await cleaned(world)} == {pruned.id}
    (gone,) = await cleaned(world, YEAR - timedelta(days=1))
    assert gone.task_id == failed.id
    assert {path.name for path in runs.iterdir()} == {waiting.id, stranger}
    sizes = [one["bytes"] for one in await trail(world, "transcripts_removed")]
    assert len(sizes) == 2
    assert all(sizes)


async def test_a_report_that_was_set_aside_goes_when_the_database_has_it(world: Any) -> None:
    task = await world.submit("Write", WRITE)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    claim = f"{task.id}.{attempt.number}.{attempt.fence}"
    known = {f"{claim}.report.refused", f"{claim}.report.corrupt-2", f"{claim}.report"}
    known.add(f"{claim}.{os.getpid()}.partial.half-written")
    other = f"{task.id}.{attempt.number}.{attempt.fence + 7}.report.refused"
    strangers = {other, "unknown.report.refused", f"{claim}.{os.getpid()}.partial", "notes.txt"}
    spool = world.root / ".abathur" / "spool"
    for name in known | strangers:
        (spool / name).write_text("x")
    assert {one.name for one in await cleaned(world)} == known
    assert {path.name for path in spool.iterdir()} == strangers


async def test_a_withdrawn_merge_goes_when_nobody_is_left_who_could_go_on_with_it(
    world: Any,
) -> None:
    task = await world.submit("Write", WRITE)
    die(world, "db.announce", "after", 1)
    await world.run_until_idle()
    (landing,) = await world.landings(task)
    assert landing.state == "landed"
    ended_by = await world.db.read(lambda stores: stores.workers.get(landing.worker_id))
    frozen = replace(ended_by, id="frozen", stopped_at=None)
    await world.db.write(lambda stores: stores.workers.insert(frozen))
    assert await cleaned(world) == []
    await world.db.write(lambda stores: stores.workers.mark_stopped("frozen", LATE))
    (gone,) = await cleaned(world)
    assert (gone.kind, gone.attempt) == ("withdrawn", 1)
    assert gone.name == f"refs/abathur/withdrawn/{gone.commit}"
    (told,) = await trail(world, "withdrawn_removed")
    assert told["name"] == gone.name
    assert world.git("for-each-ref", "refs/abathur/withdrawn") == ""
    await world.assert_sound()


async def test_what_can_not_be_removed_is_told_and_the_rest_goes(world: Any) -> None:
    tasks = [await world.submit(text, FAIL, max_retries=0) for text in ("One", "Two")]
    await world.run_until_idle()
    refs = [(await world.attempts(task))[0].salvage_ref for task in tasks]
    for ref in refs:
        world.git("merge", "--quiet", "--no-edit", "-s", "ours", ref)
    cleaning = await cleaner(world)
    settings = (await world.supervisor())._parts.settings
    found = await cleaning.find(settings, LATE, None)
    world.git("update-ref", found[0].name, "main")  # somebody has put more there meanwhile
    assert await cleaning.remove(found, LATE) == found[1:]
    assert salvaged(world) == {found[0].name}
    assert f"{found[0].name} is left" in world.events[-1]


async def test_a_task_that_was_queued_again_meanwhile_keeps_its_salvage_ref(world: Any) -> None:
    task = await world.submit("One", FAIL, max_retries=0)
    await world.run_until_idle()
    ref = (await world.attempts(task))[0].salvage_ref
    world.git("merge", "--quiet", "--no-edit", "-s", "ours", ref)
    cleaning = await cleaner(world)
    found = await cleaning.find((await world.supervisor())._parts.settings, LATE, None)
    await world.db.write(cancelling.retry, task.id, now=datetime.now(UTC), actor="cli:eve")
    assert await cleaning.remove(found, LATE) == []
    assert salvaged(world) == {ref}


async def test_a_swarm_cleans_by_itself(world: Any) -> None:
    task = await world.submit("Write", WRITE)
    await world.run_until_idle()
    folder = Path(world.root / ".abathur" / "runs" / task.id)
    world.configure(disk={"max_transcript_age": 0})
    await world.run_until_idle()
    assert folder.is_dir()
    await prune_by_force(world)
    await world.run_until_idle()
    assert not folder.exists()
    (event,) = [event for event in world.events if event.kind == "cleaned"]
    assert event.text.startswith("removed 1 folder of transcripts (")
