"""Agents, checks and disks that do what they shouldn't, at the worst moment."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import DatabaseError
from abathur.services import landing
from abathur.services.cancelling import cancel, retry
from abathur.swarm.caretaker import Caretaker
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from abathur.swarm.supervisor import Supervisor

WRITE = [{"write": {"path": "new.txt", "text": "hello\n"}}]
SECONDS = 30
"""After which something hangs."""


@dataclass
class Faulty:
    """A database on which the named use cases fail, or wait, when they are to be written."""

    real: Any
    failing: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, asyncio.Event] = field(default_factory=dict)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def write(self, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        name = use_case.__name__
        if name in self.waiting:
            self.reached.set()
            await self.waiting[name].wait()
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            self.reached.set()
            raise DatabaseError("the disk is full")
        return await self.real.write(use_case, *args, **kwargs)


async def supervisor_on(world: Any, db: Faulty) -> Supervisor:
    parts = (await world.supervisor())._parts
    return Supervisor(replace(parts, db=db), world.events.append)


def listen(world: Any, supervisor: Supervisor, text: str) -> asyncio.Event:
    """Set when an event of the supervisor has the text."""
    heard = asyncio.Event()

    def hear(event: SwarmEvent) -> None:
        world.events.append(event)
        if text in event.text:
            heard.set()

    supervisor._state.sink = hear
    return heard


def warnings(world: Any) -> list[str]:
    return [e.text for e in world.events if e.kind is SwarmEventKind.WARNING]


def shell(script: str) -> list[dict[str, Any]]:
    return [{"run": script}]


def salvaged(world: Any) -> list[str]:
    return list(world.git("for-each-ref", "--format=%(refname)", "refs/abathur").split())


# What an agent does to its worktree and to the repository


async def test_an_agent_that_deletes_its_worktree_fails_and_its_commits_are_kept(
    world: Any,
) -> None:
    script = [*WRITE, {"commit": "Mine"}, {"run": 'rm -rf "$PWD"'}]
    task = await world.submit("Tidy up", script, max_retries=0)
    await world.run_until_idle()
    assert (await world.task(task)).status == "failed"
    (attempt,) = await world.attempts(task)
    assert world.git("show", f"{attempt.salvage_ref}:new.txt") == "hello"
    await world.assert_sound()


async def test_an_agent_on_another_branch_lands_what_is_checked_out(world: Any) -> None:
    await world.submit(
        "Switch", [{"run": "git switch -q -c elsewhere"}, *WRITE, {"commit": "Mine"}]
    )
    await world.run_until_idle()
    assert world.file("new.txt") == "hello"
    assert warnings(world) == []
    await world.assert_sound()


async def test_an_agent_that_deletes_its_branch_lands_all_the_same(world: Any) -> None:
    script = [
        {"run": "b=$(git branch --show-current) && git switch -q --detach && git branch -qD $b"}
    ]
    await world.submit("Detach", [*script, *WRITE])
    await world.run_until_idle()
    assert world.file("new.txt") == "hello"
    await world.assert_sound()


@pytest.mark.parametrize("end", [[], [{"fail": "lost the thread"}]])
async def test_commits_that_an_agent_left_on_its_branch_are_kept(world: Any, end: Any) -> None:
    aside = [{"write": {"path": "aside.txt", "text": "aside\n"}}, {"commit": "Aside"}]
    script = [*aside, {"run": "git switch -q --detach HEAD~1"}, *WRITE, *end]
    await world.submit("Change the mind", script, max_retries=0)
    await world.run_until_idle()
    kept = [world.git("ls-tree", "--name-only", ref).split() for ref in salvaged(world)]
    assert any("aside.txt" in names for names in kept)
    await world.assert_sound()


async def test_a_rebase_that_an_agent_did_not_end_loses_no_commit(world: Any) -> None:
    commit = "git -c user.name=A -c user.email=a@x commit -qm"
    steps = (
        f"echo 1 > one && git add . && {commit} one && echo 2 > two && git add . && {commit} two; "
        f"git -c user.name=A -c user.email=a@x -c sequence.editor='sed -i 1s/pick/edit/' "
        "rebase -qi HEAD~2"
    )
    await world.submit("Rebase", shell(steps))
    await world.run_until_idle()
    kept = [world.git("ls-tree", "--name-only", ref).split() for ref in (*salvaged(world), "main")]
    assert any("two" in names for names in kept)
    await world.assert_sound()


async def test_a_worktree_that_an_agent_locked_is_removed_or_left_whole(world: Any) -> None:
    task = await world.submit("Lock", [*WRITE, {"run": "git worktree lock ."}])
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    (attempt,) = await world.attempts(task)
    assert Path(attempt.worktree_path).exists()


async def test_what_can_not_be_cleared_is_told_once_and_again_when_the_reason_is_another(
    world: Any,
) -> None:
    task = await world.submit("Lock", [*WRITE, {"run": "git worktree lock --reason mine ."}])
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    place = Path(attempt.worktree_path)
    made = await world.supervisor()
    caretaker = Caretaker(made._parts, made._state)

    async def told() -> list[str]:
        world.events.clear()
        await caretaker.tidy()
        start = f"{place.name} is left"
        return [event.text for event in world.events if event.text.startswith(start)]

    (text,) = await told()
    assert "locked (mine)" in text
    assert await told() == []
    world.git("worktree", "unlock", str(place))
    world.git("worktree", "lock", "--reason", "yours", str(place))
    assert "locked (yours)" in str(await told())
    world.git("worktree", "unlock", str(place))
    assert await told() == []
    assert not place.exists()


async def test_work_that_an_agent_put_on_the_target_itself_is_proven_there(world: Any) -> None:
    task = await world.submit(
        "Push", [*WRITE, {"commit": "Mine"}, {"run": "git update-ref refs/heads/main HEAD"}]
    )
    await world.run_until_idle()
    (landing,) = await world.landings(task)
    assert landing.state == "landed"
    assert landing.proof.target_commit == world.git("rev-parse", "main")
    assert world.file("new.txt") == "hello"


async def test_history_without_a_common_start_is_refused_and_kept(world: Any) -> None:
    script = [*WRITE, {"run": "git switch -q --orphan fresh"}, *WRITE, {"commit": "All new"}]
    task = await world.submit("Start over", script, max_retries=0)
    await world.run_until_idle()
    failed = await world.task(task)
    assert failed.status == "failed"
    assert "unrelated histories" in failed.error_message
    (attempt,) = await world.attempts(task)
    assert world.git("show", f"{attempt.salvage_ref}:new.txt") == "hello"
    await world.assert_sound()


async def test_an_older_start_is_merged(world: Any) -> None:
    world.git("commit", "-q", "--allow-empty", "-m", "Second")
    await world.submit(
        "Rewind", [{"run": "git reset -q --hard HEAD~1"}, *WRITE, {"commit": "Mine"}]
    )
    await world.run_until_idle()
    assert world.file("new.txt") == "hello"
    await world.assert_sound()


@pytest.mark.parametrize("name", ["a\nb", "-rf", "ä ö", '"q"', "a\tb", ":(top)x", "\udcff"])
async def test_odd_names_of_files_land(world: Any, name: str) -> None:
    world.configure(
        agents={"odd": {"runtime": "command", "prompt": "none", "argv": ["python3", "make.py"]}},
        setup={"command": ["cp", str(world.root / ".abathur" / "make.py"), "."]},
    )
    text = f"import os\nopen({os.fsencode(name)!r}, 'w').close()\nos.remove('make.py')\n"
    (world.root / ".abathur" / "make.py").write_text(text)
    await world.submit("Odd", agent_type="odd")
    result = await world.run_until_idle()
    assert result.completed == 1
    assert os.path.lexists(world.root / name)
    await world.assert_sound()


async def test_a_flood_without_lines_and_an_early_close_of_stdout_are_no_end(world: Any) -> None:
    flood = "head -c 100000000 /dev/zero; exec >&- ; echo hello > new.txt"
    world.configure(agents={"loud": {"runtime": "command", "argv": ["sh", "-c", flood]}})
    await world.submit("Shout", agent_type="loud")
    result = await world.run_until_idle()
    assert result.completed == 1
    await world.assert_sound()


async def test_a_read_only_worktree_is_no_obstacle(world: Any) -> None:
    await world.submit("Protect", [*WRITE, {"run": "chmod -R a-w . && chmod a-w ."}])
    await world.run_until_idle()
    assert world.file("new.txt") == "hello"
    await world.assert_sound()


async def test_a_daemon_of_the_set_up_command_does_not_outlive_it(world: Any) -> None:
    daemon = "setsid -f sleep 600 >/dev/null 2>&1 </dev/null"
    world.configure(setup={"command": ["sh", "-c", daemon]})
    await world.submit("Write", WRITE)
    result = await world.run_until_idle()
    assert result.completed == 1
    await world.assert_sound()


@pytest.mark.parametrize(
    ("begin", "what"),
    [
        ("merge -q side", "a merge"),
        ("rebase -q side", "a rebase"),
        ("cherry-pick side", "a cherry-pick"),
    ],
)
async def test_work_in_the_middle_of_something_does_not_land(
    world: Any, begin: str, what: str
) -> None:
    git = "git -c user.name=A -c user.email=a@x"
    steps = (
        f"b=$(git branch --show-current); git switch -q -c side; echo 1 > one; git add .; "
        f"{git} commit -qm side; git switch -q $b; echo 2 > one; git add .; {git} commit -qm mine; "
        f"{git} {begin}; true"
    )
    task = await world.submit("Merge", shell(steps), max_retries=0)
    await world.run_until_idle()
    failed = await world.task(task)
    assert failed.status == "failed"
    assert failed.error_message.startswith(f"the agent ended in the middle of {what} (one not")
    assert world.landed() == []
    assert any("mine" in world.git("log", "--format=%s", ref) for ref in salvaged(world))


async def test_nothing_is_removed_when_its_salvage_ref_can_not_be_written(world: Any) -> None:
    task = await world.submit("Fail", [*WRITE, {"fail": "lost the thread"}], max_retries=0)
    # A ref in the place of the folder of refs.
    world.git("update-ref", f"refs/abathur/salvage/{task.id}", "HEAD")
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert (Path(attempt.worktree_path) / "new.txt").read_text() == "hello\n"
    assert attempt.branch in world.git("branch", "--format=%(refname:short)").split()
    assert any("left as it is" in text for text in warnings(world))


# What a check does


@pytest.mark.parametrize(
    "check",
    [
        "git switch -q -c mine",
        "git -c user.name=V -c user.email=v@x commit -q --allow-empty -m Check",
        'rm -rf "$PWD"',
        "rm .git",
        "echo changed > new.txt; git add .",
        "setsid -f sleep 600 >/dev/null 2>&1 </dev/null",
    ],
)
async def test_what_a_check_does_to_its_worktree_is_of_no_meaning(world: Any, check: str) -> None:
    world.configure(verify={"command": ["sh", "-c", check]})
    task = await world.submit("Write", WRITE)
    result = await world.run_until_idle()
    assert result.completed == 1
    assert world.landed() == [task.id]
    assert world.file("new.txt") == "hello"
    assert world.survivors() == []


async def test_a_check_that_hangs_is_ended_and_refuses(world: Any) -> None:
    world.configure(
        verify={"command": ["sh", "-c", "sleep 600"], "timeout": 1}, retry={"max_rework": 0}
    )
    task = await world.submit("Write", WRITE)
    await world.run_until_idle()
    assert "timed out" in (await world.task(task)).error_message
    await world.assert_sound()


# Targets


async def test_a_tree_that_can_not_be_brought_along_does_not_undo_a_landing(
    world: Any, tmp_path: Any
) -> None:
    world.git("worktree", "add", "-q", "-b", "feature/x", str(tmp_path / "other"))
    (tmp_path / "other" / ".git").unlink()
    task = await world.submit("Write", WRITE, feature_branch="feature/x")
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert world.file("new.txt", "feature/x") == "hello"


async def test_work_for_a_target_that_is_gone_waits_until_it_is_there_again(world: Any) -> None:
    world.git("branch", "feature/x")
    drop = [*WRITE, {"run": "git branch -qD feature/x"}]
    task = await world.submit("Write", drop, feature_branch="feature/x", max_retries=0)
    assert (await world.run_until_idle()).stopped_by == "held"
    (attempt,) = await world.attempts(task)
    assert world.git("show", f"{attempt.branch}:new.txt") == "hello"
    world.git("branch", "feature/x")
    assert (await world.run_until_idle()).completed == 1
    assert world.file("new.txt", "feature/x") == "hello"
    await world.assert_sound()


# The database is away


async def test_a_landing_that_could_not_be_given_back_is_not_forgotten(world: Any) -> None:
    task = await world.submit("Write", WRITE)
    db = Faulty(world.db, failing={"conclude": 1, "release_landing": 1})
    supervisor = await supervisor_on(world, db)
    async with asyncio.timeout(SECONDS):
        await supervisor.run(until_idle=True)
    assert (await world.task(task)).status == "completed"
    await world.assert_sound()


async def test_a_landing_that_can_not_even_be_refused_does_not_end_the_swarm(world: Any) -> None:
    world.git("branch", "feature/x")
    stranger = "git commit-tree -m other $(git mktree </dev/null)"
    replace_it = [*WRITE, {"run": f"git update-ref refs/heads/feature/x $({stranger})"}]
    task = await world.submit("Write", replace_it, feature_branch="feature/x", max_retries=0)
    db = Faulty(world.db, failing={"refuse": 1})
    supervisor = await supervisor_on(world, db)
    async with asyncio.timeout(SECONDS):
        await supervisor.run(until_idle=True)
    assert (await world.task(task)).status == "failed"
    await world.assert_sound()


async def test_a_rescue_that_is_repeated_leaves_our_other_agents_alone(world: Any) -> None:
    lost = await world.submit("Lost", WRITE)
    ghost = await world.supervisor()
    row = replace(ghost._row(), pid=2**22 + 1)
    await world.db.write(lambda stores: stores.workers.insert(row))
    await claim_for(world, row.id)
    go = world.root / ".abathur" / "go"
    slow = await world.submit("Slow", [{"say": "waiting"}, {"wait_for": str(go)}])
    later = Faulty(world.db)
    supervisor = await supervisor_on(world, later)
    waits = listen(world, supervisor, "waiting")
    # It is alive when the supervisor starts, and seen as dead only when an agent runs.
    supervisor._parts.processes.is_alive = lambda process: not waits.is_set()  # type: ignore[method-assign]
    later.failing["take_back"] = 1
    running = asyncio.create_task(supervisor.run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        await waits.wait()
        await later.reached.wait()
        await until(world, lost, "completed")
        go.touch()
        await running
    assert [a.outcome for a in await world.attempts(slow)] == ["succeeded"]
    await world.assert_sound()


async def claim_for(world: Any, worker_id: str) -> None:
    from datetime import timedelta

    from abathur.services import claiming

    now, lease = datetime.now(UTC), timedelta(hours=1)
    await world.db.write(claiming.claim, worker_id=worker_id, limit=1, now=now, lease=lease)


async def until(world: Any, task: Any, status: str) -> None:
    async with world.db.wakeups() as wakeups:
        while (await world.task(task)).status != status:
            await wakeups.wait(1)


async def test_an_agent_is_ended_while_renewing_its_lease_hangs(world: Any) -> None:
    world.configure(swarm={"grace_seconds": 1, "heartbeat_seconds": 0.2, "lease_seconds": 2})
    task = await world.submit("Hang", {"1": [{"say": "hanging"}, {"hang": True}], "*": WRITE})
    stuck = asyncio.Event()
    db = Faulty(world.db)
    supervisor = await supervisor_on(world, db)
    hangs = listen(world, supervisor, "hanging")
    running = asyncio.create_task(supervisor.run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        await hangs.wait()
        db.waiting["renew"] = stuck
        lost = listen(world, supervisor, "lost its lease")
        await lost.wait()
        assert world.survivors() == []
        del db.waiting["renew"]
        stuck.set()
        await running
    assert (await world.task(task)).status == "completed"
    await world.assert_sound()


async def test_two_stops_end_a_swarm_whose_report_can_not_be_written(world: Any) -> None:
    world.configure(swarm={"grace_seconds": 1, "heartbeat_seconds": 0.2, "lease_seconds": 2})
    await world.submit("Write", WRITE)
    db = Faulty(world.db, failing={"report": 1000})
    supervisor = await supervisor_on(world, db)
    waits = listen(world, supervisor, "the report waits")
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(SECONDS):
        await waits.wait()
        supervisor.stop()
        supervisor.stop(now=True)
        await running
    await world.run_until_idle()
    assert world.file("new.txt") == "hello"
    await world.assert_sound()


@dataclass
class Frozen:
    """A repository whose user falls asleep right before it moves a branch."""

    real: Any
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def move_branch(self, *args: Any) -> None:
        self.reached.set()
        await self.go_on.wait()
        await self.real.move_branch(*args)


async def test_a_lander_that_slept_before_the_move_can_not_land_what_was_refused_meanwhile(
    world: Any,
) -> None:
    task = await world.submit("Write", WRITE)
    parts = (await world.supervisor())._parts
    frozen = Frozen(parts.repository)
    db = Faulty(world.db)
    sleeper = Supervisor(replace(parts, repository=frozen, db=db), world.events.append)
    running = asyncio.create_task(sleeper.run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        await frozen.reached.wait()
        db.waiting["claim_landings"] = frozen.go_on
        before = world.git("rev-parse", "main")
        await world.db.write(landing.release_landings_of, parts.worker_id)
        world.configure(verify={"command": ["false"]}, retry={"max_rework": 0})
        await world.run_until_idle()
        assert (await world.task(task)).status == "failed"
        frozen.go_on.set()
        await running
    assert world.git("rev-parse", "main") == before
    (landed,) = await world.landings(task)
    assert landed.state == "rejected"
    await world.assert_sound()


# Stopping, cancelling and retrying at bad moments


async def test_a_task_that_is_claimed_while_the_swarm_stops_is_handed_back(world: Any) -> None:
    task = await world.submit("Hang", [{"say": "hanging"}, {"hang": True}])
    db = Faulty(world.db, waiting={"claim": asyncio.Event()})
    supervisor = await supervisor_on(world, db)
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(SECONDS):
        await db.reached.wait()
        supervisor.stop()
        waiting = asyncio.create_task(asyncio.wait_for(asyncio.shield(running), 0.2))
        await asyncio.gather(waiting, return_exceptions=True)
        db.waiting["claim"].set()
        await running
    back = await world.task(task)
    assert (back.status, back.worker_id) == ("ready", None)
    await world.assert_sound()


async def test_a_task_retried_while_its_old_agent_dies_is_watched_again(world: Any) -> None:
    stubborn = [{"ignore_signals": ["TERM"]}, {"say": "first"}, {"hang": True}]
    task = await world.submit("Hang", {"1": stubborn, "*": [{"say": "second"}, {"hang": True}]})
    supervisor = await world.supervisor()
    first = listen(world, supervisor, "first")
    running = asyncio.create_task(supervisor.run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        await first.wait()
        second = listen(world, supervisor, "second")
        await world.db.write(cancel, task.id, now=datetime.now(UTC), actor="test")
        await world.db.write(retry, task.id, now=datetime.now(UTC), actor="test")
        await second.wait()
        gone = listen(world, supervisor, "lost its lease")
        await gone.wait()
        await world.db.write(cancel, task.id, now=datetime.now(UTC), actor="test")
        await running
    assert [a.outcome for a in await world.attempts(task)] == ["cancelled", "cancelled"]
    await world.assert_sound()


async def test_nobody_tidies_a_place_where_a_cancelled_agent_still_writes(world: Any) -> None:
    go = world.root / ".abathur" / "go"
    script = [
        {"ignore_signals": ["TERM"]},
        {"say": "hanging"},
        {"wait_for": str(go)},
        {"write": {"path": "late.txt", "text": "late\n"}},
        {"say": "written"},
        {"hang": True},
    ]
    task = await world.submit("Hang", script)
    supervisor = await world.supervisor()
    hangs = listen(world, supervisor, "hanging")
    running = asyncio.create_task(supervisor.run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        await hangs.wait()
        await world.db.write(cancel, task.id, now=datetime.now(UTC), actor="test")
        await world.run_until_idle()
        go.touch()
        await running
    (attempt,) = await world.attempts(task)
    assert world.git("show", f"{attempt.salvage_ref}:late.txt") == "late"
    await world.assert_sound()
