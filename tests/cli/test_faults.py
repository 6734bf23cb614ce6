"""What a person sees of each fault: one line that helps, an exit code, and nothing half written."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import configure

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur

HANG = [{"say": "hanging"}, {"hang": True}]
FAST = {"max_agents": 1, "grace_seconds": 1, "heartbeat_seconds": 0.2, "lease_seconds": 5}
DATABASE = 6


@pytest.fixture
def file(abathur: "Abathur") -> Path:
    abathur.submit("Kept")
    return abathur.root / ".abathur" / "abathur.db"


def read_until(process: "subprocess.Popen[bytes]", text: bytes) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"it ended without saying {text!r}")


def test_a_swarm_whose_database_is_deleted_ends_with_its_agents(abathur: "Abathur") -> None:
    configure(abathur, swarm=FAST)
    abathur.script("Hang", *HANG)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    swarm = abathur.popen("swarm", "start", "--json", **pipes)
    read_until(swarm, b"hanging")
    for found in (abathur.root / ".abathur").glob("abathur.db*"):
        found.unlink()
    _, told = swarm.communicate(timeout=60)
    assert swarm.returncode == DATABASE, told
    assert b"deleted or replaced" in told
