"""What a lander meets that passes, and what it leaves lying about."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from abathur.domain.errors import DatabaseUnreachableError, GitError
from abathur.swarm.lander import MAX_ERRORS
from abathur.swarm.supervisor import Supervisor

WRITE = [{"write": {"path": "new.txt", "text": "hello\n"}}]


@dataclass
class Failing:
    """Something whose one method fails some times, and works then."""

    real: Any
    name: str
    error: Exception
    times: int
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def fail(self, name: str) -> None:
        if name == self.name and len(self.calls) < self.times:
            self.calls.append(name)
            raise self.error

    async def write(self, use_case: Any, *args: Any, **kwargs: Any) -> Any:
        self.fail(use_case.__name__)
        return await self.real.write(use_case, *args, **kwargs)

    async def merge(self, *args: Any) -> Any:
        self.fail("merge")
        return await self.real.merge(*args)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abathur.swarm.lander.ERROR_PAUSE_SECONDS", 0.01)


async def run_with(world: Any, **parts: Any) -> Any:
    known = (await world.supervisor())._parts
    return await Supervisor(replace(known, **parts), world.events.append).run(until_idle=True)


async def test_a_landing_outlives_a_database_that_is_away_for_a_moment(world: Any) -> None:
    await world.submit("Write", WRITE)
    db = Failing(world.db, "announce", DatabaseUnreachableError("the server is away"), 1)
    assert (await run_with(world, db=db)).completed == 1
    waits = [e.text for e in world.events if "the landing waits for the database" in e.text]
    assert (db.calls, len(waits)) == (["announce"], 1)
    await world.assert_sound()


@pytest.mark.parametrize(
    ("times", "ended"), [(MAX_ERRORS - 1, (1, 0)), (MAX_ERRORS, (0, 1))], ids=["passes", "stays"]
)
async def test_an_error_of_a_landing_is_given_time_to_pass(
    world: Any, times: int, ended: tuple[int, int]
) -> None:
    task = await world.submit("Write", WRITE)
    real = (await world.supervisor())._parts.repository
    repository = Failing(real, "merge", GitError("index.lock exists"), times)
    result = await run_with(world, repository=repository)
    assert (result.completed, result.failed) == ended
    if result.failed:
        ref = (await world.attempts(task))[0].salvage_ref
        assert world.file("new.txt", ref) == "hello"
    await world.assert_sound()


async def test_the_folder_of_a_check_goes_once_its_landing_is_over_and_not_before(
    world: Any,
) -> None:
    task = await world.submit("Write", WRITE)
    await world.run_agents()
    (landing,) = await world.landings(task)
    folder = world.root / ".abathur" / "worktrees" / f"verify-{landing.id}-1"
    world.git("worktree", "add", "-q", "--detach", str(folder), landing.work_commit)
    await (await world.supervisor())._caretaker.tidy()
    assert folder.is_dir()
    assert (await world.run_until_idle()).completed == 1
    await (await world.supervisor())._caretaker.tidy()
    assert not folder.exists()
