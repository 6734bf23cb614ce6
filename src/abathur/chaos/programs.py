"""The harness's own processes: git, and swarms that are to be struck."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from abathur.chaos.person import PREFIX, place_of
from abathur.domain.errors import GitError

SECONDS_TO_ANSWER: Final = 60


def environment() -> dict[str, str]:
    """Ours without what would lead git, or a swarm, to anything of the person's."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "ABATHUR_"))}
    return env | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def git(root: Path, *args: str) -> str:
    """What git printed. Raises `GitError`."""
    if shutil.which("git") is None:
        raise GitError("git isn't installed, or isn't on PATH")
    done = subprocess.run(
        ["git", *args],
        cwd=root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS_TO_ANSWER,
        check=False,
    )
    if done.returncode:
        raise GitError(f"`git {args[0]}` failed in {root}: {' '.join(done.stderr.split())}")
    return done.stdout.rstrip("\n")


def forget_restored(root: Path) -> None:
    """Take away what a person has restored, whole or half: it is theirs, not the swarm's."""
    shutil.rmtree(place_of(root), ignore_errors=True)
    for line in git(root, "worktree", "list", "--porcelain").splitlines():
        path = Path(line.removeprefix("worktree "))
        if line.startswith("worktree ") and path.is_relative_to(place_of(root)):
            git(root, "worktree", "remove", "--force", "--force", str(path))
    listed = git(root, "branch", "--list", f"{PREFIX}*", "--format=%(refname:short)")
    for branch in listed.splitlines():
        git(root, "branch", "--quiet", "-D", branch)


class Swarm:
    """One that runs in a process and session of its own; what it says is in `log`."""

    def __init__(self, orders: str, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "abathur.chaos.victim", orders],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )

    def wait(self) -> int | None:
        """The exit code, minus the signal for one that was killed; None when it has been frozen.

        A swarm that hangs ends itself.
        """
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
        if found is not None and found.si_code == os.CLD_STOPPED:
            return None
        return self._process.wait()

    def thaw(self) -> int:
        os.kill(self._process.pid, signal.SIGCONT)
        return self._process.wait(SECONDS_TO_ANSWER)

    def end(self) -> None:
        """Whatever state it is in."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()


def left_over(worker_ids: Collection[str], seconds: float) -> list[str]:
    """What still lives of these workers' agents, checks, gits and wardens after so many seconds."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if _belongs(process, worker_ids):
                found.append(process)
    _, alive = psutil.wait_procs(found, timeout=seconds)
    return [described(process) for process in alive]


def _belongs(process: psutil.Process, worker_ids: Collection[str]) -> bool:
    env = process.environ()
    if env.get("ABATHUR_WORKER") in worker_ids or env.get("ABATHUR_GIT") in worker_ids:
        return True
    # A warden has no tags, but is told whose agents are its business.
    return any(worker in word for word in process.cmdline()[3:] for worker in worker_ids)


def described(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    return str(process.pid)
