"""Pruning takes rows, never work: the caretaker leaves alone what it no longer knows of."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from abathur.ports.upkeep import PruneFilter
from abathur.services import pruning

KEEP = {"max_agents": 3, "grace_seconds": 2, "keep_finished_worktrees": True}
WRITE = [{"write": {"path": "made.txt", "text": "made\n"}}]
FAIL = [{"write": {"path": "half.txt", "text": "half\n"}}, {"fail": "no idea"}]


async def prune_by_force(world: Any) -> None:
    late = datetime.now(UTC) + timedelta(days=1)
    selection = await world.db.read(pruning.select, PruneFilter(), now=late, in_git={}, force=True)
    done = await world.db.write(pruning.prune, selection.tasks, now=late, actor="cli:alice")
    assert done.tasks


async def test_worktree_and_branch_of_a_pruned_task_stay(world: Any) -> None:
    world.configure(swarm=KEEP)
    task = await world.submit("Make it", WRITE)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    folder = Path(attempt.worktree_path)
    (folder / "notes.txt").write_text("not committed")
    await prune_by_force(world)
    world.configure()
    other = await world.submit("Another", [{"write": {"path": "b.txt", "text": "b\n"}}])
    await world.run_until_idle()  # tidies at its start
    assert await world.task(other)
    assert (folder / "notes.txt").read_text() == "not committed"
    assert attempt.branch in world.git("branch", "--list", "--format=%(refname:short)")
    assert world.file("made.txt") == "made"


async def test_the_salvage_ref_of_a_pruned_task_stays_and_the_trail_names_it(world: Any) -> None:
    task = await world.submit("Try it", FAIL, max_retries=0)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert attempt.salvage_ref
    await prune_by_force(world)
    await world.submit("Another", WRITE)
    await world.run_until_idle()
    assert world.git("show", f"{attempt.salvage_ref}:half.txt") == "half"
    trail = await world.db.read(lambda stores: stores.audit.of_task(task.id))
    assert attempt.salvage_ref in [entry.action_data.get("ref") for entry in trail]
    await world.assert_sound()
