"""The swarm's log file: its lines, its levels, its size, and a disk that fails."""

import logging
import re
from pathlib import Path

import pytest

from abathur.infrastructure import event_log
from abathur.infrastructure.event_log import KEPT, open_event_log


def test_a_line_has_a_time_in_utc_and_a_level(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "swarm.log"
    with open_event_log(file, "INFO") as log:
        log(logging.INFO, "100% of caf\u00e9s")
        log(logging.WARNING, "be careful")
    first, second = file.read_text(encoding="utf-8").splitlines()
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(f"{time} INFO    100% of caf\u00e9s", first)
    assert re.fullmatch(f"{time} WARNING be careful", second)


@pytest.mark.parametrize(
    ("level", "kept"),
    [("DEBUG", ["a", "b", "c"]), ("INFO", ["b", "c"]), ("WARNING", ["c"])],
)
def test_what_is_below_the_level_is_left_out(tmp_path: Path, level: str, kept: list[str]) -> None:
    file = tmp_path / "swarm.log"
    with open_event_log(file, level) as log:
        log(logging.DEBUG, "a")
        log(logging.INFO, "b")
        log(logging.WARNING, "c")
    assert [line.split()[-1] for line in file.read_text().splitlines()] == kept


def test_without_a_line_there_is_no_file(tmp_path: Path) -> None:
    with open_event_log(tmp_path / "logs" / "swarm.log", "ERROR") as log:
        log(logging.WARNING, "be careful")
    assert not list(tmp_path.rglob("*.log"))


def test_the_next_swarm_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with open_event_log(tmp_path / "swarm.log", "INFO") as log:
            log(logging.INFO, text)
    lines = (tmp_path / "swarm.log").read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["first", "second"]


def test_a_full_file_is_rotated_and_old_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "MAX_BYTES", 100)
    with open_event_log(tmp_path / "swarm.log", "INFO") as log:
        for number in range(20):
            log(logging.INFO, f"{number} {'x' * 50}")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["swarm.log", *(f"swarm.log.{number}" for number in range(1, KEPT + 1))]


def test_a_disk_that_is_full_costs_lines_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(handler: logging.Handler, record: logging.LogRecord) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            handler.handleError(record)

    monkeypatch.setattr(logging.StreamHandler, "emit", refuse)
    with open_event_log(tmp_path / "swarm.log", "INFO") as log:
        log(logging.INFO, "lost")
    assert capsys.readouterr() == ("", "")
