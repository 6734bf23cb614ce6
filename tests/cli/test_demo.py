"""The demo keeps its promises: it is run as a person runs it, and its repository looked at."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.contract.test_json_shapes import problems_of

pytestmark = pytest.mark.slow

LONGEST_SECONDS = 60
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTfhlsu]")


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "abathur", "demo", *args]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}


@dataclass
class Shown:
    """What the demo said, and the repository that it left."""

    root: Path
    summary: dict[str, Any]
    seconds: float

    def git(self, *args: str) -> list[str]:
        done = subprocess.run(
            ["git", *args], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.splitlines()

    def abathur(self, *args: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "abathur", "--project", str(self.root), *args, "--json"],
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """One run for all: in hostile surroundings, which must not matter."""
    around = tmp_path_factory.mktemp("around")
    subprocess.run(["git", "init", "--quiet", around], check=True)
    root = around / "below" / "demo"
    gitconfig = around / "gitconfig"
    gitconfig.write_text("[core]\nhooksPath = /nowhere\n[commit]\ngpgSign = true\n")
    programs = around / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    hostile = {
        "ABATHUR_RUNTIME": "claude",
        "ABATHUR_TARGET_BRANCH": "no-such-branch",
        "GIT_CONFIG_GLOBAL": str(gitconfig),
        "HOME": "/nowhere",
        "PATH": str(programs),
    }
    began = time.monotonic()
    done = subprocess.run(
        command("--path", str(root), "--json"),
        env=environment(**hostile),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * LONGEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done
    assert done.stderr == ""
    return Shown(root, json.loads(done.stdout), time.monotonic() - began)


def test_it_is_over_soon(shown: Shown) -> None:
    assert shown.seconds < LONGEST_SECONDS


def test_it_sums_up(shown: Shown) -> None:
    summary = shown.summary
    assert summary["ok"] is True
    assert summary["problems"] == []
    assert summary["path"] == str(shown.root)
    assert len(summary["tasks"]) >= 8
    assert summary["tests"]["before"]["passed"] is False
    assert summary["tests"]["after"]["passed"] is True
    assert summary["tests"]["after"]["ran"] == summary["tests"]["before"]["ran"] > 20
    assert len(summary["history"]) == len(summary["tasks"]) + 1


def test_its_json_has_the_documented_shape(shown: Shown) -> None:
    assert problems_of({"demo": json.dumps(shown.summary)}) == []


def test_every_task_is_completed(shown: Shown) -> None:
    tasks = shown.abathur("task", "list")
    assert {task["id"] for task in tasks} == {task["id"] for task in shown.summary["tasks"]}
    assert {task["status"] for task in tasks} == {"completed"}


def test_one_conflict_and_one_failed_verification_happened(shown: Shown) -> None:
    ends = [
        (entry["task_id"], entry["action_data"]["state"])
        for entry in shown.abathur("audit", "--limit", "1000")
        if entry["action_type"] == "landing_ended"
    ]
    states = sorted(state for _, state in ends if state != "landed")
    assert states == ["conflicted", "rejected"]
    by_name = {task["name"]: task["landings"] for task in shown.summary["tasks"]}
    assert by_name["budget"] == ["rejected", "landed"]
    assert sorted([by_name["months"], by_name["totals"]]) == [["conflicted", "landed"], ["landed"]]


def test_each_task_is_in_the_history_once(shown: Shown) -> None:
    trailers = shown.git(
        "log", "--first-parent", "--format=%(trailers:key=Abathur-Task,valueonly)", "main"
    )
    landed = [line for line in trailers if line]
    assert sorted(landed) == sorted(task["id"] for task in shown.summary["tasks"])


def test_the_program_works(shown: Shown) -> None:
    run = [sys.executable, "-B", "-m"]
    tests = subprocess.run([*run, "unittest"], cwd=shown.root, capture_output=True, check=False)
    assert tests.returncode == 0, tests.stderr
    told = subprocess.run(
        [*run, "ledger", "months", "expenses.csv", "travel=80.00"],
        cwd=shown.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines()[-1] == "travel: 2.20 too much!"


def test_its_check_would_refuse_a_broken_program(shown: Shown, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shown.git("clone", "--quiet", ".", str(clone))
    commands = clone / "ledger" / "commands.py"
    commands.write_text(commands.read_text().replace('"totals"', '"total"'))
    check = [sys.executable, "-B", "check.py"]
    assert subprocess.run(check, cwd=clone, capture_output=True, check=False).returncode == 1


def test_its_check_passes_on_the_stubs(shown: Shown, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shown.git("clone", "--quiet", ".", str(clone))
    first = shown.git("rev-list", "--max-parents=0", "main")[0]
    subprocess.run(["git", "checkout", "--quiet", first], cwd=clone, check=True)
    subprocess.run([sys.executable, "-B", "check.py"], cwd=clone, check=True)


def test_nothing_is_left_over(shown: Shown) -> None:
    assert len(shown.git("worktree", "list")) == 1
    assert shown.git("branch", "--format=%(refname:short)") == ["main"]
    assert shown.git("status", "--porcelain") == []
    assert not list((shown.root / ".abathur").glob("worktrees/*"))
    assert not (shown.root / ".abathur" / "demo").exists()
    assert processes_of(shown.root) == []


def test_the_repository_around_it_is_left_alone(shown: Shown) -> None:
    around = shown.root.parent.parent
    assert subprocess.check_output(["git", "branch", "--all"], cwd=around) == b""
    assert not (around / ".abathur").exists()


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    done = subprocess.run(
        command("--path", str(tmp_path)),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "isn't empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_it_fits_a_terminal_of_80_columns() -> None:
    """With the live view; and nothing stays when it isn't to be kept."""
    root = Path(tempfile.mkdtemp(prefix="demo-"))  # the path is told, so it must be short
    code, said = run_on_terminal("--path", str(root), "--no-keep")
    lines = lines_of(said)
    said = "\n".join(lines)
    assert code == 0, said
    assert [line for line in lines if len(line) > 80] == []
    for part in ("running", "✓ money", "conflict in ledger/commands.py", ": OK", "abathur init"):
        assert part in said
    assert "task list" not in said
    assert not root.exists()


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    process = subprocess.Popen(
        command("--path", str(root)), env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    next(line for line in process.stdout if "an agent starts" in line)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    psutil.wait_procs(processes_of(root), timeout=10)
    assert processes_of(root) == []


def processes_of(root: Path) -> list[psutil.Process]:
    """Every process that works in the folder or carries a tag of one of its tasks."""
    return [
        process
        for process, env, cwd in _processes()
        if cwd.startswith(str(root))
        or any(name.startswith("ABATHUR_") and str(root) in text for name, text in env.items())
    ]


def _processes() -> Iterator[tuple[psutil.Process, dict[str, str], str]]:
    for process in psutil.process_iter():
        try:
            yield process, process.environ(), process.cwd()
        except psutil.Error:
            continue


def run_on_terminal(*args: str) -> tuple[int, str]:
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        command(*args),
        env=environment(
            TERM="xterm-256color",
            PYTHONIOENCODING="utf-8",
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        ),
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    said = b"".join(_read_all(main))
    os.close(main)
    return process.wait(timeout=10), said.decode()


def _read_all(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # how Linux tells that the other end is closed
            return
        if not data:
            return
        yield data


def lines_of(said: str) -> list[str]:
    """What stood on one line of the screen: moving the cursor starts a new one."""
    parts = re.split(r"[\r\n]+", CURSOR.sub("\n", said))
    return [ESCAPE.sub("", part) for part in parts]
