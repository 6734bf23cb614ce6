"""The repository that the demo works on: made of the files beside this one, looked at with git.

The files end in `.txt`, so that no tool takes the demo's program for a part of ours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess  # noqa: TID251 - acts for the person who would type these commands
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from abathur.domain.errors import GitError

BRANCH: Final = "main"
BACKLOG: Final = "backlog.yaml"
SUFFIX: Final = ".txt"
FOLDER: Final = ".abathur"
MEETING: Final = "demo"
"""Where two agents wait for each other, so that their conflict is no matter of luck."""
SECONDS_TO_ANSWER: Final = 60
HISTORY: Final = ("log", "--graph", "--oneline", "--first-parent")
"""Without the commits of the agents, which are the other parents of the merges."""
PYTHON: Final = (sys.executable, "-E", "-B")

# The person's own hooks, templates, signing key and ignored files are not for the demo. These
# stay in the repository's configuration, because agents commit there with git, too.
SETTINGS: Final = {
    "user.name": "Abathur Demo",
    "user.email": "demo@localhost",
    "commit.gpgSign": "false",
    "core.autocrlf": "false",
    "core.excludesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
    "maintenance.auto": "false",
}


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """What the program's tests said."""

    ran: int
    passed: bool
    verdict: str
    """`OK` or `FAILED (errors=3)`."""


def make(root: Path) -> None:
    """Fill the empty folder. Raises `OSError`; what git needs comes with `commit_all`."""
    for name, text in _files(resources.files(__name__) / "files"):
        path = root / (f"{FOLDER}/{name}" if name == "config.yaml" else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(text, root), encoding="utf-8")


def _filled(text: str, root: Path) -> str:
    """The words stand between quotes in YAML, which reads JSON's escapes."""
    words = {"{python}": sys.executable, "{meeting}": str(root / FOLDER / MEETING)}
    for word, value in words.items():
        text = text.replace(word, json.dumps(value)[1:-1])
    return text


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield above + entry.name.removesuffix(SUFFIX), entry.read_text(encoding="utf-8")


def commit_all(root: Path) -> None:
    """Make the folder a repository of its own, whatever is above it. Raises `GitError`."""
    # The empty template also keeps the person's hooks out.
    git(root, "init", "--quiet", "--template=", f"--initial-branch={BRANCH}")
    for name, value in SETTINGS.items():
        git(root, "config", name, value)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Start with stubs and tests that fail")


def git(root: Path, *args: str) -> str:
    """What git printed. Raises `GitError`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    if shutil.which("git") is None:
        raise GitError("git isn't installed, or isn't on PATH")
    done = _run(root, ("git", *args), env)
    if done.returncode:
        raise GitError(f"`git {args[0]}` failed in {root}: {' '.join(done.stderr.split())}")
    return done.stdout.rstrip("\n")


def run_suite(root: Path) -> SuiteRun:
    """All of the program's tests, with the Python that we run on."""
    said = _run(root, (*PYTHON, "-m", "unittest")).stderr
    ran = re.findall(r"^Ran (\d+) tests?", said, re.MULTILINE)
    verdict = (said.strip().splitlines() or ["it said nothing"])[-1]
    return SuiteRun(int(ran[-1]) if ran else 0, bool(ran) and verdict == "OK", verdict)


def run_program(root: Path, *args: str) -> Sequence[str]:
    return _run(root, (*PYTHON, "-m", "ledger", *args)).stdout.splitlines()


def _run(
    root: Path, command: Sequence[str], env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS_TO_ANSWER,
        check=False,
    )


def landed(root: Path) -> list[str]:
    """The ids of the tasks whose work is in the main branch, one for each merge into it."""
    trailer = "%(trailers:key=Abathur-Task,valueonly,separator=%x2C)"
    return git(root, "log", "--first-parent", f"--format={trailer}", BRANCH).split()


def history(root: Path) -> Sequence[str]:
    return git(root, *HISTORY, BRANCH).splitlines()


def changes(root: Path) -> Sequence[str]:
    """What differs from the last commit in the person's working tree."""
    return git(root, "status", "--porcelain").splitlines()


def tidy(root: Path) -> None:
    shutil.rmtree(root / FOLDER / MEETING, ignore_errors=True)
