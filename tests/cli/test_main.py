"""Errors told in one line with the right exit code, and the edges of the process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abathur import __version__
from abathur.cli.main import call

LIGHT = """\
import json, sys
from abathur.cli.main import call
code = call(sys.argv[1:])
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
raise SystemExit(code)
"""


def loaded(abathur: Any, *args: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", LIGHT, *args],
        cwd=abathur.root,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(result.stderr.splitlines()[-1]))


def test_the_version(abathur: Any) -> None:
    assert abathur.ok("--version") == f"abathur {__version__}"


def test_help_names_every_group(abathur: Any) -> None:
    text = abathur.ok("--help")
    for name in ("init", "task", "plan", "swarm", "why", "audit", "doctor", "db", "completion"):
        assert f"\n  {name} " in text


def test_help_imports_no_more_than_it_needs(abathur: Any) -> None:
    heavy = {"asyncio", "yaml", "psutil", "rich", "apsw", "abathur.services.reading"}
    assert not loaded(abathur, "--help") & heavy
    assert not loaded(abathur, "task", "--help") & heavy


def test_listing_imports_no_more_than_it_needs(abathur: Any) -> None:
    abathur.submit()
    heavy = {"psutil", "rich", "abathur.swarm.supervisor", "abathur.infrastructure.processes"}
    assert not loaded(abathur, "task", "list") & heavy


def test_the_real_entry_point(abathur: Any) -> None:
    result = abathur.process("task", "submit", "Say hello")
    assert (result.code, result.err) == (0, "")
    listed = abathur.process("task", "list", "--json")
    assert [task["id"] for task in listed.json] == [result.out.strip()]


def test_without_a_command_there_is_help(abathur: Any) -> None:
    assert call([]) == 2
    captured = abathur.capture.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Usage: abathur [OPTIONS] COMMAND")
    assert abathur().line == "abathur: missing command (see `abathur --help`)"


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--nope"], "no such option '--nope' (see `abathur --help`)"),
        (["task", "submit"], "missing argument 'PROMPT|-' (see `abathur task submit --help`)"),
        (
            ["task", "list", "--limit", "0"],
            "invalid value for '--limit': 0 is not in the range x>=1 "
            "(see `abathur task list --help`)",
        ),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(abathur: Any, args: list[str], line: str) -> None:
    result = abathur(*args)
    assert (result.code, result.line) == (2, f"abathur: {line}")


def test_a_mistyped_command_is_guessed(abathur: Any) -> None:
    result = abathur("task", "lst")
    assert result.code == 2
    assert "no such command 'lst'" in result.line
    assert "list" in result.line


def test_outside_a_project(abathur: Any, tmp_path: Path) -> None:
    code = call(["--project", str(tmp_path), "task", "list"])
    assert code == 3
    assert abathur.capture.readouterr().err == (
        f"abathur: no Abathur project at or above {tmp_path}; "
        "run `abathur init` in a git repository first\n"
    )


def test_a_database_that_can_not_be_written(abathur: Any) -> None:
    result = abathur("--db", "/proc/nowhere/abathur.db", "init")
    assert result.code == 6
    assert "/proc/nowhere" in result.line


def test_a_file_that_is_no_database(abathur: Any, tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_text("This is no database, but it is long enough to be taken for one. " * 50)
    result = abathur("--db", str(file), "task", "list")
    assert result.code == 6
    assert str(file) in result.line


def test_a_corrupt_configuration(abathur: Any) -> None:
    (abathur.root / ".abathur" / "config.yaml").write_text("swarm: [unclosed\n")
    result = abathur("task", "submit", "x")
    assert result.code == 2
    assert "config.yaml" in result.line
    # Looking, and stopping a swarm, must go on.
    assert abathur("task", "list").code == 0
    assert abathur.ok("swarm", "stop") == "no swarm is running"


def test_with_json_errors_are_json_on_stderr(abathur: Any) -> None:
    result = abathur("task", "show", "ffff", "--json")
    assert (result.code, result.out) == (3, "")
    assert json.loads(result.err) == {
        "error": {
            "code": 3,
            "type": "NotFoundError",
            "message": "no task has an id that begins with `ffff`; "
            "`abathur task list` shows them all",
            "problems": [],
        }
    }


def test_json_after_two_dashes_is_no_option(abathur: Any) -> None:
    assert abathur("task", "show", "--", "--json").line.startswith("abathur: `--json` isn't")


def test_an_argument_that_is_no_text(abathur: Any) -> None:
    result = abathur("task", "submit", os.fsdecode(b"caf\xe9"))
    assert result.code == 2
    assert result.line.endswith("isn't UTF-8 text; convert it first")


def test_verbose_shows_the_traceback(abathur: Any) -> None:
    result = abathur("-v", "task", "show", "ffff")
    assert result.code == 3
    assert "Traceback (most recent call last)" in result.err


def test_a_bug_leaves_a_crash_log(abathur: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("abathur.services.reading.list_tasks", broken)
    result = abathur("task", "list")
    (log,) = (abathur.root / ".abathur" / "logs").glob("crash-*.log")
    assert result.code == 70
    assert result.line == (
        f"abathur: this is a bug (ZeroDivisionError: of all things); please report it with {log}"
    )
    text = log.read_text()
    assert f"abathur {__version__}" in text
    assert "'task', 'list'" in text
    assert "in broken" in text


def test_a_reader_who_leaves_is_no_error(abathur: Any) -> None:
    for number in range(3):
        abathur.submit(f"{number} " + "x" * 50_000)
    process = abathur.popen(
        "task", "list", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told(abathur: Any) -> None:
    abathur.submit()
    with Path("/dev/full").open("wb") as full:
        result = abathur.process("task", "list", stdout=full)
    assert (result.code, result.line) == (
        6,
        "abathur: no space left on device; free some, then try again",
    )


def test_ctrl_c(abathur: Any) -> None:
    task = abathur.submit()
    process = abathur.popen("logs", "-f", task, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert b"Waiting for attempt 1" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().strip() == "abathur: interrupted"
