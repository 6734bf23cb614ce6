"""Upgrades that are killed at whatever step, and that many processes begin at once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from tests.infrastructure.database.schemas import contents, described, fill
from tests.infrastructure.database.test_upgrades import SYNTHETIC, kept, opened

OpenNotes = Callable[..., SqliteEngine[Session]]


ROOT = Path(__file__).resolve().parents[3]


def output(script: str, *args: object) -> Any:
    """The JSON that a script of this folder prints."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name(script), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("line", "ran", "stride"), [("real", 0, 3), ("real", 1, 3), ("synthetic", 1, 1)]
)
def test_the_next_start_finishes_whatever_was_broken_off(
    tmp_path: Path, line: str, ran: int, stride: int
) -> None:
    steps = output("die_upgrading.py", tmp_path, line, ran, stride)
    # Nothing vacuous: it died at each of these.
    assert {"BEGIN IMMEDIATE", "CREATE TABLE", "INSERT INTO", "COMMIT"} <= {*steps}
    if ran:
        assert {"VACUUM INTO", "os.link", "fsync"} <= {*steps}
        assert steps.index("VACUUM INTO") < steps.index("os.link") < steps.index("BEGIN IMMEDIATE")


def test_of_eight_processes_one_upgrades(open_notes: OpenNotes, tmp_path: Path) -> None:
    path, fresh = tmp_path / "notes.db", tmp_path / "fresh.db"
    open_notes(fresh, migrations=SYNTHETIC).close()
    open_notes(path, migrations=SYNTHETIC[:1]).close()
    with opened(path) as connection:
        fill(connection)
        before = contents(connection)
    actions = output("upgrade_at_once.py", path)
    assert sorted(actions) == ["nothing"] * 7 + ["upgrade"]
    with opened(path) as upgraded, opened(fresh) as wanted:
        assert described(upgraded) == described(wanted)
        assert kept(before, contents(upgraded)) == before
    assert len(list(tmp_path.glob("*.bak"))) == 1
