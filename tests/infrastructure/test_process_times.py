"""A process is known again, whatever happens to the clock."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from abathur.infrastructure import process_times
from abathur.infrastructure.processes import SystemProcesses
from abathur.ports.processes import ProcessId

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
HOUR = 3600.0


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


def test_a_process_lives_until_its_end_and_its_zombie_does_not(
    child: "subprocess.Popen[bytes]",
) -> None:
    start = process_times.started_at(child.pid)
    assert start is not None
    assert process_times.lives(child.pid, start)
    assert not process_times.lives(child.pid, start + 0.01)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_times.started_at(child.pid) is not None
    assert not process_times.lives(child.pid, start)
    child.wait()
    assert process_times.started_at(child.pid) is None
    assert not process_times.lives(child.pid, start)


@LINUX
@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_the_clock_makes_no_living_process_look_dead(
    child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    me = SystemProcesses().me()
    other = ProcessId(child.pid, process_times.started_at(child.pid) or 0.0)
    told = psutil.Process.create_time
    # The kernel tells the boot as a time of day, which moves with the clock.
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: told(self) + step)
    assert SystemProcesses().is_alive(me)
    assert SystemProcesses().is_alive(other)


@LINUX
def test_a_start_that_is_stored_as_a_time_of_day_is_still_understood(
    child: "subprocess.Popen[bytes]",
) -> None:
    start = psutil.Process(child.pid).create_time()
    assert start > process_times.EPOCH_FROM
    assert process_times.lives(child.pid, start)
    assert not process_times.lives(child.pid, start - HOUR)


@LINUX
def test_names_with_brackets_and_spaces_do_not_mislead(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as started:
        start = process_times.started_at(started.pid)
        try:
            assert start is not None
            assert abs(start - (process_times.started_at(os.getpid()) or 0.0)) < HOUR
            assert process_times.lives(started.pid, start)
        finally:
            started.kill()
