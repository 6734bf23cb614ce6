"""From finished work to the target branch: merged, checked, proven, or sent back with the facts."""

import json
from typing import Any

from abathur.domain.landing import LandingState
from abathur.swarm.events import SwarmEventKind

APPEND = [{"append": {"path": "list.txt", "text": "mine\n"}}]


def change(path: str, text: str) -> list[dict[str, Any]]:
    return [{"write": {"path": path, "text": text}}]


async def test_work_lands_with_a_proof_and_its_place_is_cleared(world: Any) -> None:
    task = await world.submit("Add a file", change("new.txt", "hello\n"))
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (1, 0)
    (landing,) = await world.landings(task)
    assert landing.state is LandingState.LANDED
    assert landing.proof.target_commit == landing.merge_commit == world.git("rev-parse", "main")
    assert world.file("new.txt") == "hello"
    assert world.landed() == [task.id]
    await world.assert_sound()


async def test_a_task_that_changes_nothing_says_so_and_merges_nothing(world: Any) -> None:
    before = world.git("rev-parse", "main")
    task = await world.submit("Look around", [{"say": "all is well"}])
    await world.run_until_idle()
    (landing,) = await world.landings(task)
    assert (await world.task(task)).status == "completed"
    assert landing.state is LandingState.NOTHING_CHANGED
    assert "nothing was changed" in landing.detail
    assert world.git("rev-parse", "main") == before
    await world.assert_sound()


async def test_a_conflict_gives_the_agent_one_more_attempt_on_the_new_state(world: Any) -> None:
    (world.root / "list.txt").write_text("first\n")
    world.git("add", "list.txt")
    world.git("commit", "-qm", "Add a list")
    flags = world.root / ".abathur"
    # Each waits until the other has started, so both start from the same commit.
    script = {
        "1": [
            {"touch": str(flags / "NAME")},
            {"wait_for": str(flags / "OTHER")},
            {"replace": {"path": "list.txt", "old": "first", "new": "NAME"}},
        ],
        "*": [{"append": {"path": "list.txt", "text": "NAME\n"}}],
    }
    tasks = []
    for name, other in (("one", "two"), ("two", "one")):
        filled = json.dumps(script).replace("NAME", name).replace("OTHER", other)
        tasks.append(await world.submit(f"Put {name}", json.loads(filled)))
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (2, 0)
    attempts = sorted([len(await world.attempts(task)) for task in tasks])
    assert attempts == [1, 2]
    (loser,) = [task for task in tasks if len(await world.attempts(task)) == 2]
    first, second = await world.attempts(loser)
    assert second.feedback["kind"] == "conflict"
    assert second.feedback["paths"] == ["list.txt"]
    assert world.git("rev-parse", first.salvage_ref) == first.head_commit
    assert len(world.file("list.txt").splitlines()) == 2
    await world.assert_sound()


async def test_a_failed_check_lets_the_agent_mend_the_very_tree_that_failed(world: Any) -> None:
    world.configure(verify={"command": ["sh", "-c", "grep -q good new.txt || exit 7"]})
    script = {
        "1": change("new.txt", "bad\n"),
        "2": [{"replace": {"path": "new.txt", "old": "bad", "new": "good"}}],
    }
    task = await world.submit("Write good", script)
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (1, 0)
    rejected, landed = await world.landings(task)
    assert rejected.state is LandingState.REJECTED
    assert rejected.facts["exit_code"] == 7
    assert landed.state is LandingState.LANDED
    assert world.file("new.txt") == "good"
    everything = world.git("log", "--format=%(trailers:key=Abathur-Task,valueonly)")
    assert everything.split() == [task.id]
    await world.assert_sound()


async def test_a_second_failed_check_fails_the_task_and_keeps_its_work(world: Any) -> None:
    world.configure(verify={"command": ["sh", "-c", "echo broken >&2; exit 3"]})
    before = world.git("rev-parse", "main")
    task = await world.submit("Try", change("new.txt", "x\n"))
    waiting = await world.submit("After", prerequisites=(task.id,))
    result = await world.run_until_idle()
    assert result.failed == 1
    failed = await world.task(task)
    assert failed.status == "failed"
    assert "exit code 3" in failed.error_message
    assert (await world.task(waiting)).status == "cancelled"
    assert world.git("rev-parse", "main") == before
    last = (await world.attempts(task))[-1]
    assert world.git("show", f"{last.salvage_ref}:new.txt") == "x"
    assert "broken" in (await world.landings(task))[-1].facts["output"]
    await world.assert_sound()


async def test_a_clean_working_tree_of_the_target_is_brought_along(world: Any) -> None:
    await world.submit("Add a file", change("new.txt", "hello\n"))
    await world.run_until_idle()
    assert (world.root / "new.txt").read_text() == "hello\n"
    assert world.git("status", "--porcelain") == ""


async def test_a_dirty_working_tree_is_left_alone_and_said_so(world: Any) -> None:
    readme = world.root / "README.md"
    readme.write_text("my own change\n")
    task = await world.submit("Add a file", change("new.txt", "hello\n"))
    await world.run_until_idle()
    assert readme.read_text() == "my own change\n"
    assert not (world.root / "new.txt").exists()
    assert world.file("new.txt") == "hello"
    (landing,) = await world.landings(task)
    assert "uncommitted changes" in landing.detail
    # The way to catch up that it names works, and keeps the person's change.
    commands = landing.detail.partition("to catch up: ")[2].split(" && ")
    for command in commands:
        world.git(*command.split()[3:])
    assert readme.read_text() == "my own change\n"
    assert (world.root / "new.txt").read_text() == "hello\n"


async def test_a_tree_that_stays_behind_several_landings_can_catch_up_from_the_last_message(
    world: Any,
) -> None:
    readme = world.root / "README.md"
    readme.write_text("my own change\n")
    first = await world.submit("Add one", change("one.txt", "1\n"))
    second = await world.submit("Add two", change("two.txt", "2\n"), prerequisites=(first.id,))
    await world.run_until_idle()
    (landing,) = await world.landings(second)
    for command in landing.detail.partition("to catch up: ")[2].split(" && "):
        world.git(*command.split()[3:])
    assert readme.read_text() == "my own change\n"
    assert (world.root / "one.txt").read_text() == "1\n"
    assert (world.root / "two.txt").read_text() == "2\n"
    assert world.git("status", "--porcelain") == "M README.md"


async def test_tasks_land_on_the_target_that_they_name(world: Any) -> None:
    world.git("branch", "feature/x")
    before = world.git("rev-parse", "main")
    await world.submit("Add a file", change("new.txt", "hello\n"), feature_branch="feature/x")
    await world.run_until_idle()
    assert world.file("new.txt", "feature/x") == "hello"
    assert world.git("rev-parse", "main") == before
    await world.assert_sound()


async def test_a_target_that_moves_under_a_landing_is_merged_again(world: Any) -> None:
    commit = "git -c user.name=P -c user.email=p@x commit -q --allow-empty -m Meanwhile"
    check = f"cd {world.root} && {{ git log --format=%s | grep -q Meanwhile || {commit}; }}"
    world.configure(verify={"command": ["sh", "-c", check]})
    await world.submit("Add a file", change("new.txt", "hello\n"))
    result = await world.run_until_idle()
    assert result.completed == 1
    subjects = world.git("log", "--first-parent", "--format=%s").splitlines()
    assert subjects[:2] == ["Add a file", "Meanwhile"]


async def test_an_agents_own_commits_and_leftovers_both_land(world: Any) -> None:
    script = [
        {"write": {"path": "a.txt", "text": "a\n"}},
        {"commit": "Mine"},
        {"write": {"path": "b.txt", "text": "b\n"}},
    ]
    await world.submit("Two steps", script)
    await world.run_until_idle()
    assert (world.file("a.txt"), world.file("b.txt")) == ("a", "b")
    assert "Mine" in world.git("log", "--format=%s")


async def test_a_landing_never_hides_what_it_did(world: Any) -> None:
    task = await world.submit("Add a file", change("new.txt", "hello\n"))
    await world.run_until_idle()
    assert world.kinds(task)[-1] is SwarmEventKind.TASK_COMPLETED
    trail = await world.db.read(lambda stores: stores.audit.of_task(task.id))
    assert [entry.action_type.value for entry in trail] == [
        "task_submitted",
        "task_claimed",
        "attempt_started",
        "landing_requested",
        "landing_started",
        "landing_ended",
        "task_completed",
    ]


async def test_work_that_somebody_deleted_fails_its_task_and_keeps_no_other_from_landing(
    world: Any,
) -> None:
    gone = await world.submit("Write", change("gone.txt", "x\n"), max_retries=0)
    other = await world.submit("Write too", change("other.txt", "x\n"))
    await world.run_agents()
    (attempt,) = await world.attempts(gone)
    world.git("worktree", "remove", "--force", attempt.worktree_path)
    world.git("branch", "-D", attempt.branch)
    world.git("-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now")
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (1, 1)
    assert world.landed() == [other.id]
    work = attempt.head_commit[:12]
    told = f"the repository no longer has its work, commit {work}: it was deleted"
    assert (await world.task(gone)).error_message == told
    assert world.survivors() == []
