"""`abathur chaos` as a person runs it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from abathur.chaos import invariants
from abathur.cli.main import call
from tests.contract.test_json_shapes import problems_of

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_kills_are_told_and_nothing_is_left(temporary: Path, capsys: Any) -> None:
    assert call(["chaos", "--kills", "2", "--parallel", "1", "--json"]) == 0
    text = capsys.readouterr().out
    assert problems_of({"chaos": text}) == []
    told = json.loads(text)
    assert told["ok"] is True
    assert told["kills"] >= 2
    assert list(temporary.iterdir()) == []


def test_a_finding_is_kept_and_can_be_played_again(
    temporary: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invariants._of_git
    monkeypatch.setattr(invariants, "_of_git", lambda ground: [*real(ground), "made up"])
    assert call(["chaos", "--kills", "1", "--parallel", "1"]) == 1
    said = capsys.readouterr().out
    assert "git: made up" in said
    folder = said.partition("--repeat ")[2].split()[0]
    monkeypatch.undo()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert call(["chaos", "--repeat", folder]) == 0
    said = capsys.readouterr().out
    (seconds,) = re.findall(r"faults in (\d+\.\d) s: nothing was lost", said)
    assert float(seconds) > 0


def test_a_folder_without_notes_is_refused(temporary: Path, capsys: Any) -> None:
    assert call(["chaos", "--repeat", str(temporary)]) == 3
    assert "round.jsonl" in capsys.readouterr().err


def test_a_server_that_cannot_be_used_is_told_before_anything_begins(
    temporary: Path, capsys: Any
) -> None:
    assert call(["chaos", "--kills", "1", "--restart-server", "true"]) == 2
    assert "name it by --db URL" in capsys.readouterr().err
    assert call(["--db", str(temporary / "queue.db"), "chaos", "--kills", "1"]) == 2
    assert "leave --db out" in capsys.readouterr().err
    nobody = "postgresql://ada:secret@localhost:1/queue"
    assert call(["--db", nobody, "chaos", "--kills", "1"]) == 6
    said = capsys.readouterr().err
    assert "can't connect to `postgresql://ada@localhost:1/queue`" in said
    assert "secret" not in said
    assert list(temporary.iterdir()) == []
