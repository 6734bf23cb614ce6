"""A supervisor that is killed without a word takes its agents with it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from abathur.infrastructure.warden import Guard, start_warden

SUPERVISOR = """\
import asyncio, json, sys
from pathlib import Path
from abathur.domain.runs import Command
from abathur.infrastructure.processes import SystemProcesses
from abathur.infrastructure.warden import Guard, start_warden
from abathur.ports.processes import Launch

AGENT = '''
setsid sh -c 'trap "" TERM; echo $$; while :; do sleep 1000; done' &
setsid sh -c 'echo $$; exec sleep 1000' &
echo $$
wait
'''

async def main(folder, tags):
    pids = []
    def told(line):
        pids.append(int(line))
        if len(pids) == 6:
            print(json.dumps({"agents": pids, "warden": warden.pid}), flush=True)
    async with await start_warden(tags, 0.2) as warden:
        await asyncio.gather(*(
            SystemProcesses().run(
                Launch(
                    command=Command(argv=("sh", "-c", AGENT)),
                    cwd=folder,
                    transcript=folder / str(number),
                    tags={**tags, "ABATHUR_TEST_RUN": str(number)},
                    env={},
                    timeout_seconds=100,
                    grace_seconds=0.2,
                ),
                on_started=lambda process: None,
                on_line=told,
                stop=asyncio.Event(),
            )
            for number in range(2)
        ))

asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
"""


class Supervisor:
    def __init__(self, folder: Path) -> None:
        tags = {"ABATHUR_TEST_SUPERVISOR": uuid.uuid4().hex}
        self._process = subprocess.Popen(
            (sys.executable, "-c", SUPERVISOR, str(folder), json.dumps(tags)),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        told = json.loads(self._process.stdout.readline())
        self.agents = [psutil.Process(pid) for pid in told["agents"]]
        self.warden = psutil.Process(told["warden"])

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait()

    def close(self) -> None:
        """The warden takes away what is left, grandchildren that nobody has told of too."""
        self.signal(signal.SIGKILL)
        if self._process.stdout:
            self._process.stdout.close()
        eventually(lambda: is_gone(self.warden))


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path)
    yield supervisor
    supervisor.close()


def eventually(is_so: Callable[[], bool]) -> None:
    """Other processes have no event to wait for."""
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        os.sched_yield()


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_killed_supervisor_leaves_nothing(supervisor: Supervisor) -> None:
    assert len(supervisor.agents) == 6
    assert not any(map(is_gone, supervisor.agents))
    supervisor.signal(signal.SIGKILL)
    eventually(lambda: all(map(is_gone, (*supervisor.agents, supervisor.warden))))


def test_an_interrupted_supervisor_leaves_nothing(supervisor: Supervisor) -> None:
    supervisor.signal(signal.SIGINT)
    assert all(map(is_gone, supervisor.agents))
    eventually(lambda: is_gone(supervisor.warden))


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells who holds a pipe")
def test_agents_do_not_hold_the_pipe_to_the_warden(supervisor: Supervisor) -> None:
    pipe = Path(f"/proc/{supervisor.warden.pid}/fd/0").readlink()
    for agent in supervisor.agents:
        held = {entry.readlink() for entry in Path(f"/proc/{agent.pid}/fd").iterdir()}
        assert pipe not in held


def test_the_warden_is_deaf_and_carries_no_tags(supervisor: Supervisor) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        supervisor.warden.send_signal(number)
    supervisor.signal(signal.SIGKILL)
    eventually(lambda: all(map(is_gone, supervisor.agents)))


async def test_a_warden_that_is_let_go_ends_nothing() -> None:
    tags = {"ABATHUR_TEST_SUPERVISOR": uuid.uuid4().hex}
    agent = await asyncio.create_subprocess_exec("sleep", "1000", env={**os.environ, **tags})
    try:
        async with await start_warden(tags, 0) as warden:
            process = psutil.Process(warden.pid)
            assert not is_gone(process)
            assert not process.environ().keys() & tags.keys()
        assert is_gone(process)
        assert agent.returncode is None
        await warden.close()
    finally:
        agent.kill()
        await agent.wait()


async def test_a_warden_that_somebody_killed_can_be_closed() -> None:
    warden = await start_warden({"ABATHUR_TEST_SUPERVISOR": "x"}, 0)
    psutil.Process(warden.pid).kill()
    await warden.close()


async def test_a_warden_that_dies_has_a_successor_at_once() -> None:
    tags = {"ABATHUR_TEST_SUPERVISOR": uuid.uuid4().hex}
    told: list[str] = []
    heard = asyncio.Event()

    def tell(text: str) -> None:
        told.append(text)
        heard.set()

    async with asyncio.timeout(60), Guard(tags, 0.2, tell) as guard:
        first = psutil.Process(guard.warden.pid)
        first.kill()
        await heard.wait()
        while guard.warden.pid == first.pid:  # noqa: ASYNC110 - the successor starts on this loop
            await asyncio.sleep(0)
        second = psutil.Process(guard.warden.pid)
        assert not is_gone(second)
        assert told == ["the warden died; another one is started"]
    assert is_gone(second)
