"""The swarm's log file: its lines, its levels, its size, and a disk that fails."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from abathur.infrastructure.event_log import LogLine, as_text, open_event_log

NOON = datetime(2026, 3, 1, 12, 0, 0, 5000, tzinfo=UTC)


def line(text: str, level: int = logging.INFO, **more: Any) -> LogLine:
    return LogLine(**{"time": NOON, "level": level, "event": "warning", "text": text, **more})


def test_a_line_has_a_time_in_utc_and_a_level(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "swarm.log"
    east = NOON.astimezone(timezone(timedelta(hours=9)))
    with open_event_log(file, level="INFO") as log:
        log(line("100% of caf\u00e9s", time=east, task="t", attempt=2))
        log(line("be\ncareful", logging.WARNING))
    assert file.read_text(encoding="utf-8").splitlines() == [
        "2026-03-01T12:00:00Z INFO    warning t/2 100% of caf\u00e9s",
        "2026-03-01T12:00:00Z WARNING warning be careful",
    ]


def test_a_line_of_json_names_all_that_is_known_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "swarm.log"
    known: dict[str, Any] = {
        "task": "t",
        "attempt": 1,
        "agent_type": "reviewer",
        "target": "main",
        "worker": "w",
        "trace_id": "0f",
    }
    with open_event_log(file, level="INFO", form="json") as log:
        log(line("two\nlines \u2028 of \ud800", **known))
        log(line(""))
    full, bare = [json.loads(one) for one in file.read_text("ascii").splitlines()]
    always = {"time": "2026-03-01T12:00:00.005Z", "level": "INFO", "event": "warning"}
    assert full == {**always, **known, "text": "two\nlines \u2028 of \ud800"}
    assert bare == {**always, "text": ""}


@pytest.mark.parametrize(
    ("level", "kept"),
    [("DEBUG", ["a", "b", "c"]), ("INFO", ["b", "c"]), ("WARNING", ["c"])],
)
def test_what_is_below_the_level_is_left_out(tmp_path: Path, level: str, kept: list[str]) -> None:
    file = tmp_path / "swarm.log"
    with open_event_log(file, level=level) as log:
        log(line("a", logging.DEBUG))
        log(line("b", logging.INFO))
        log(line("c", logging.WARNING))
    assert [one.split()[-1] for one in file.read_text().splitlines()] == kept


def test_without_a_line_there_is_no_file(tmp_path: Path) -> None:
    with open_event_log(tmp_path / "logs" / "swarm.log", level="ERROR") as log:
        log(line("be careful", logging.WARNING))
    assert not list(tmp_path.rglob("*"))


def test_the_next_swarm_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with open_event_log(tmp_path / "swarm.log", level="INFO") as log:
            log(line(text))
    assert texts(tmp_path / "swarm.log") == ["first", "second"]


def test_a_full_file_is_put_aside_and_old_ones_go(tmp_path: Path) -> None:
    size = 2 * len(as_text(line("00"))) + 2
    with open_event_log(tmp_path / "swarm.log", level="INFO", max_bytes=size, kept=2) as log:
        for number in range(10, 19):
            log(line(str(number)))
    files = [tmp_path / name for name in ("swarm.log.2", "swarm.log.1", "swarm.log")]
    assert {*tmp_path.iterdir()} == {*files}
    assert [texts(file) for file in files] == [["14", "15"], ["16", "17"], ["18"]]


def test_two_swarms_share_a_file_that_one_of_them_puts_aside(tmp_path: Path) -> None:
    file, size = tmp_path / "swarm.log", 3 * len(as_text(line("00"))) + 3
    with (
        open_event_log(file, level="INFO", max_bytes=size, kept=9) as one,
        open_event_log(file, level="INFO", max_bytes=size, kept=9) as other,
    ):
        for number in range(10, 20):
            (one if number % 2 else other)(line(str(number)))
    read = [texts(tmp_path / f"swarm.log.{n}") for n in (3, 2, 1)] + [texts(file)]
    assert [text for part in read for text in part] == [str(number) for number in range(10, 20)]


def test_a_line_that_is_larger_than_a_file_may_be_is_written_all_the_same(tmp_path: Path) -> None:
    with open_event_log(tmp_path / "swarm.log", level="INFO", max_bytes=10, kept=1) as log:
        log(line("first"))
        log(line("second"))
    assert texts(tmp_path / "swarm.log") == ["second"]
    assert texts(tmp_path / "swarm.log.1") == ["first"]


def test_a_full_disk_costs_lines_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "swarm.log"
    code = f"""
import logging, resource, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from abathur.infrastructure.event_log import LogLine, open_event_log

def line(text):
    return LogLine(time=datetime(2026, 3, 1, tzinfo=UTC), level=20, event="warning", text=text)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_event_log(Path({str(file)!r}), level="INFO", form="json") as log:
    log(line("before"))
    size = Path({str(file)!r}).stat().st_size
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
    log(line("cut off in its middle"))
    log(line("not written at all"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    log(line("after"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    before, torn, after = file.read_text().splitlines()
    assert json.loads(before)["text"] == "before"
    assert len(torn) == 20
    assert json.loads(after)["text"] == "after"


def test_a_folder_that_can_not_be_made_costs_lines_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with open_event_log(tmp_path / "logs" / "swarm.log", level="INFO") as log:
        log(line("lost"))
    assert (tmp_path / "logs").read_text() == "in the way"


def texts(file: Path) -> list[str]:
    return [one.split()[-1] for one in file.read_text().splitlines()]
