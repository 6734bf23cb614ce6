"""A run of the tests that was killed leaves its server behind; the next one ends it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from abathur.infrastructure import process_times
from tests.postgres import OWNERS, Server, end_left

WAIT = "import sys; print(flush=True); sys.stdin.read()"


def start(*args: str) -> "subprocess.Popen[bytes]":
    """A process that looks like a server with these arguments and ends with its input."""
    child = subprocess.Popen(
        [sys.executable, "-c", WAIT, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "abathur-one"
    (folder / "data").mkdir(parents=True)
    return folder


def note_owner(folder: Path, pid: int, start: float | None) -> None:
    """As if another process had noted itself."""
    Server(folder, folder).own()
    ((_, _, namespace),) = json.loads((folder / OWNERS).read_text())
    (folder / OWNERS).write_text(json.dumps([[pid, start, namespace]]))


def gone() -> tuple[int, float | None]:
    child = start()
    begin = process_times.started_at(child.pid)
    child.communicate()
    return child.pid, begin


def test_a_server_whose_owner_is_gone_is_ended_and_its_folder_removed(folder: Path) -> None:
    server = start("-D", str(folder / "data"))
    (folder / "data" / "postmaster.pid").write_text(f"{server.pid}\n")
    note_owner(folder, *gone())
    end_left(folder.parent)
    assert server.poll() is not None
    assert not folder.exists()
    server.communicate()


def test_a_server_stays_while_one_of_its_owners_lives(folder: Path) -> None:
    note_owner(folder, *gone())
    Server(folder, folder).own()
    end_left(folder.parent)
    assert folder.exists()


def test_a_pid_that_is_another_process_by_now_is_left_alone(folder: Path) -> None:
    other = start("-D", "/somewhere/else")
    (folder / "data" / "postmaster.pid").write_text(f"{other.pid}\n")
    note_owner(folder, *gone())
    end_left(folder.parent)
    assert not folder.exists()
    assert other.poll() is None
    other.communicate()


def test_a_folder_that_nobody_has_noted_himself_in_is_left_alone(folder: Path) -> None:
    end_left(folder.parent)
    assert folder.exists()
