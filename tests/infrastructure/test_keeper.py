"""Below its keeper an agent can do what it likes: nothing of it outlives the run or the swarm."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import psutil
import pytest

from abathur.domain.runs import Command
from abathur.infrastructure import cgroups, keeping, process_times
from abathur.infrastructure.processes import SystemProcesses
from abathur.ports.processes import Launch, ProcessId

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="keepers need Linux")

# Its number goes to a file, for it has no output: no parent, session, environment or TERM either.
LOST = """\
exec 0<&- 1>&- 2>&-
trap '' TERM HUP
echo $$ >>pids
while :; do sleep 1000; done
"""
AGENT = """\
trap '' TERM
env -i setsid sh -c 'setsid sh ./lost & exit 0'
setsid sh -c 'echo $$ >>pids; exec sleep 1000' &
until [ "$(wc -l <pids)" -ge 2 ]; do sleep 0.02; done
echo up
"""
SUPERVISOR = """\
import asyncio, sys
from pathlib import Path
from tests.infrastructure.test_keeper import launch
from abathur.infrastructure.processes import SystemProcesses

async def main(folder):
    await SystemProcesses().run(
        launch(folder, "sh ./agent; while :; do sleep 1000; done"),
        on_started=lambda process: None,
        on_line=lambda line: print(line, flush=True),
        stop=asyncio.Event(),
    )

asyncio.run(main(Path(sys.argv[1])))
"""
Place = Path


def launch(folder: Path, script: str) -> Launch:
    return Launch(
        command=Command(argv=("sh", "-c", script)),
        cwd=folder,
        transcript=folder / "transcript",
        tags={"ABATHUR_TEST": uuid.uuid4().hex},
        env={},
        timeout_seconds=60,
        grace_seconds=0.2,
    )


async def test_who_leaves_nothing_behind_is_not_looked_for_among_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count()
    monkeypatch.setattr(psutil, "pids", lambda: [next(looks)][:0])
    runner = SystemProcesses()
    await runner.warm_up()
    for _ in range(5):
        end = await runner.run(
            launch(tmp_path, "true"),
            on_started=lambda _: None,
            on_line=lambda _: None,
            stop=asyncio.Event(),
        )
        assert end.code == 0
    assert next(looks) == 0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "lost").write_text(LOST)
    (tmp_path / "agent").write_text(AGENT)
    yield tmp_path
    left = [pid for pid in told(tmp_path) if not is_gone(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def told(place: Path) -> list[int]:
    file = place / "pids"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def eventually(is_so: Callable[[], bool]) -> None:
    """Other processes have no event to wait for."""
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        os.sched_yield()


def is_gone(pid: int) -> bool:
    start = process_times.started_at(pid)
    return start is None or not process_times.lives(pid, start)


def swarm(place: Path) -> "subprocess.Popen[str]":
    """A supervisor whose agent has done its worst."""
    process = subprocess.Popen(
        (sys.executable, "-c", SUPERVISOR, str(place)),
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    assert len(told(place)) == 2
    assert not any(map(is_gone, told(place)))
    return process


async def run(place: Path, script: str, stop: asyncio.Event | None = None) -> list[str]:
    lines: list[str] = []
    await SystemProcesses().run(
        launch(place, script),
        on_started=lambda _: None,
        on_line=lines.append,
        stop=stop or asyncio.Event(),
    )
    return lines


def test_a_killed_supervisor_takes_along_what_dropped_everything(place: Place) -> None:
    with swarm(place) as process:
        process.kill()
    eventually(lambda: all(map(is_gone, told(place))))


def test_a_killed_keeper_takes_its_agent_along(place: Place) -> None:
    with swarm(place) as process:
        (server,) = psutil.Process(process.pid).children()
        (keeper,) = server.children()
        (agent,) = [one for one in keeper.children() if one.pid not in told(place)]
        keeper.kill()
        eventually(lambda: is_gone(agent.pid))
        # What has lost its session and environment is found by nobody then.
        process.wait()
    for pid in told(place):
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(map(is_gone, told(place))))


async def test_what_drops_everything_ends_with_its_run(place: Place) -> None:
    assert await run(place, "sh ./agent") == ["up"]
    assert len(told(place)) == 2
    assert all(map(is_gone, told(place)))


async def test_a_stop_ends_what_dropped_everything(place: Place) -> None:
    stop = asyncio.Event()
    task = asyncio.ensure_future(run(place, "sh ./agent; echo >done; exec sleep 1000", stop))
    await asyncio.to_thread(eventually, (place / "done").exists)
    stop.set()
    await task
    assert all(map(is_gone, told(place)))


async def run_by(runner: SystemProcesses, wanted: Launch) -> list[str]:
    lines: list[str] = []
    stop = asyncio.Event()
    await runner.run(wanted, on_started=lambda _: None, on_line=lines.append, stop=stop)
    return lines


async def test_a_keeper_without_a_run_is_given_the_next_one_and_nothing_of_the_last(
    tmp_path: Path,
) -> None:
    runner, other = SystemProcesses(), tmp_path / "other"
    other.mkdir()
    script = "echo $PPID; echo ${ONLY-no} $ABATHUR_TEST; pwd; cat; echo /proc/self/fd/*"
    first = launch(tmp_path, script)
    command = replace(first.command, stdin=b"fed")
    before = await run_by(runner, replace(first, command=command, env={"ONLY": "first"}))
    second = launch(other, script)
    after = await run_by(runner, second)
    assert before[1:3] == [f"first {first.tags['ABATHUR_TEST']}", str(tmp_path)]
    assert after[:3] == [before[0], f"no {second.tags['ABATHUR_TEST']}", str(other)]
    assert before[3].removeprefix("fed") == after[3]


async def test_a_waiting_keeper_that_was_killed_is_replaced(tmp_path: Path) -> None:
    runner = SystemProcesses()
    (before,) = await run_by(runner, launch(tmp_path, "echo $PPID"))
    os.kill(int(before), signal.SIGKILL)
    eventually(lambda: is_gone(int(before)))
    (after,) = await run_by(runner, launch(tmp_path, "echo $PPID"))
    assert after != before


async def test_waiting_keepers_end_with_their_owner(tmp_path: Path) -> None:
    runner = SystemProcesses()
    (keeper,) = await run_by(runner, launch(tmp_path, "echo $PPID"))
    assert not is_gone(int(keeper))
    del runner
    assert is_gone(int(keeper))


async def test_two_runs_do_not_take_each_other_for_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lost").write_text(LOST)
        (tmp_path / name / "agent").write_text(AGENT)
    stop = asyncio.Event()
    other = asyncio.ensure_future(run(tmp_path / "two", "sh ./agent; exec sleep 1000", stop))
    await asyncio.to_thread(eventually, lambda: len(told(tmp_path / "two")) == 2)
    await run(tmp_path / "one", "sh ./agent")
    assert all(map(is_gone, told(tmp_path / "one")))
    assert not any(map(is_gone, told(tmp_path / "two")))
    stop.set()
    await other
    assert all(map(is_gone, told(tmp_path / "two")))


async def test_the_agent_is_named_not_its_keeper(tmp_path: Path) -> None:
    started: list[ProcessId] = []
    lines: list[str] = []
    end = await SystemProcesses().run(
        launch(tmp_path, "echo $$; exit 7"),
        on_started=started.append,
        on_line=lines.append,
        stop=asyncio.Event(),
    )
    assert ([str(one.pid) for one in started], end.code) == (lines, 7)


def base_of_cgroups() -> Path | None:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [Path(line.split()[4]) for line in mounts if " - cgroup2 " in line]
    return found[0] if found and os.access(found[0] / "cgroup.procs", os.W_OK) else None


@pytest.mark.skipif(base_of_cgroups() is None, reason="no cgroup here that we may write to")
async def test_a_cgroup_is_made_for_a_run_and_goes_with_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_of_cgroups()
    assert base is not None
    monkeypatch.setenv("ABATHUR_CGROUP", str(base))
    before = set(base.glob("abathur-*"))
    lines = await run(place, "grep 0:: /proc/self/cgroup; sh ./agent")
    assert "/abathur-" in lines[0]
    assert all(map(is_gone, told(place)))
    assert set(base.glob("abathur-*")) == before


@pytest.mark.skipif(base_of_cgroups() is None, reason="no cgroup here that we may write to")
def test_a_cgroup_is_killed_with_all_that_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABATHUR_CGROUP", str(base_of_cgroups()))
    cgroup = cgroups.make()
    assert cgroup is not None
    with subprocess.Popen(("sleep", "1000")) as process:
        (cgroup / "cgroup.procs").write_text(str(process.pid))
        assert cgroups.members(cgroup) == {process.pid}
        cgroups.end(cgroup)
        assert process.wait() == -signal.SIGKILL
    assert not cgroup.exists()


def told_by(place: Place, server: keeping.ForkServer, script: str) -> socket.socket:
    """Our end of the line to a keeper that runs the script."""
    ours, theirs = socket.socketpair()
    order = keeping.order(
        ("sh", "-c", script), dict(os.environ), place, tags={}, grace_seconds=0.1, cgroup="-"
    )
    with theirs, Path(os.devnull).open("r+b") as nothing:
        server.order(order, (*3 * [nothing.fileno()], theirs.fileno()))
    return ours


def test_it_says_that_nothing_is_left_only_when_nothing_is_left(place: Place) -> None:
    stays = "env -i setsid sh -c 'echo $$ >>pids; read _ <gate' & until [ -s pids ]; do :; done"
    os.mkfifo(place / "gate")
    server = keeping.ForkServer()
    with told_by(place, server, stays) as line, line.makefile("r") as heard:
        said = dict(heard.readline().split() for _ in range(3))
        assert list(said) == ["keeper", "started", "exit"]
        (lost,) = told(place)
        assert psutil.Process(lost).ppid() == int(said["keeper"])
        (place / "gate").write_text("go\n")
        assert heard.readline() == "empty 0\n"


def test_keepers_outlive_the_one_that_forks_them_and_it_is_replaced(place: Place) -> None:
    server = keeping.ForkServer()
    os.mkfifo(place / "gate")
    with told_by(place, server, "read _ <gate; exit 5") as line, line.makefile("r") as heard:
        keeper = psutil.Process(int(heard.readline().split()[1]))
        heard.readline()
        forking = keeper.parent()
        assert forking
        forking.kill()
        eventually(lambda: is_gone(forking.pid))
        with told_by(place, server, "exit 6") as next_line, next_line.makefile("r") as next_heard:
            assert "exit 6\n" in [next_heard.readline() for _ in range(3)]
        (place / "gate").write_text("go\n")
        assert [heard.readline(), heard.readline()] == ["exit 5\n", "empty 0\n"]


def test_the_one_that_forks_keepers_ends_with_its_owner(place: Place) -> None:
    server = keeping.ForkServer()
    with told_by(place, server, "exec sleep 1000") as line, line.makefile("r") as heard:
        forking = psutil.Process(int(heard.readline().split()[1])).parent()
        assert forking
        del server
        assert not forking.is_running()


def test_what_no_program_can_be_given_is_refused(place: Place) -> None:
    for env in ({"A=B": "1"}, {"": "1"}, {"A": "\0"}):
        with pytest.raises(ValueError, match=r"null byte|illegal environment"):
            keeping.order(("sh",), env, place, tags={}, grace_seconds=0.1, cgroup="-")


async def test_an_order_may_be_larger_than_any_buffer(place: Place) -> None:
    large = "x" * 100_000
    command = Command(argv=("sh", "-c", 'echo "${#A} ${#B} ${#1}"', "sh", large))
    wanted = replace(launch(place, ""), command=command, env={"A": large, "B": large})
    lines: list[str] = []
    await SystemProcesses().run(
        wanted, on_started=lambda _: None, on_line=lines.append, stop=asyncio.Event()
    )
    assert lines == ["100000 100000 100000"]
