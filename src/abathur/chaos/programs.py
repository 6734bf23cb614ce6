"""The harness's own processes: git, and swarms that are to be struck."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import psutil

from abathur.chaos.person import PREFIX, place_of
from abathur.domain.errors import GitError, ProcessError

SECONDS_TO_ANSWER: Final = 60
PAUSES: Final = (0.05, 0.2, 0.8, 3.2)
"""Seconds between tries of a git that met another one."""
_MEETING: Final = re.compile(r"failed to read \S*/worktrees/\S+")
"""A git that a struck swarm has left behind is in the middle of making a worktree."""


def environment() -> dict[str, str]:
    """Ours without what would lead git, or a swarm, to anything of the person's."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "ABATHUR_"))}
    return env | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def git(root: Path, *args: str) -> str:
    """What git printed. Raises `GitError`."""
    if shutil.which("git") is None:
        raise GitError("git isn't installed, or isn't on PATH")
    done = _run_git(root, args)
    for pause in PAUSES:
        if not done.returncode or not _MEETING.search(done.stderr):
            break
        threading.Event().wait(pause)
        done = _run_git(root, args)
    if done.returncode:
        raise GitError(f"`git {args[0]}` failed in {root}: {' '.join(done.stderr.split())}")
    return done.stdout.rstrip("\n")


def _run_git(root: Path, args: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
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


def start_shell(line: str, over: Path) -> None:
    """Run a command line by the shell, in a session of its own; `over` is made when it is over."""
    subprocess.Popen(
        ["sh", "-c", 'eval "$1"; : > "$2"', "sh", line, str(over)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


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


class ForkServer:
    """The process that forks victims; see `abathur.chaos.fork_server`. Ends with this object."""

    def __init__(self, *program: str) -> None:
        """`program` are arguments to Python, if it isn't that of victims."""
        ours, theirs = socket.socketpair()
        named = program or ("-m", "abathur.chaos.fork_server")
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", *named, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )
        self._orders, self._turn = ours, threading.Lock()
        weakref.finalize(self, _close, process, ours)

    def fork(self, orders: str, outputs: tuple[int, int], line: int) -> None:
        data = orders.encode()
        with self._turn:
            socket.send_fds(self._orders, [len(data).to_bytes(4, "big")], [*outputs, line])
            self._orders.sendall(data)


def _close(process: subprocess.Popen[bytes], line: socket.socket) -> None:
    line.close()
    process.kill()
    process.wait()


_MAKING: Final = threading.Lock()


def _fork_server() -> ForkServer:
    with _MAKING:  # else each of several threads makes one, and those but the last are ended
        return _one_fork_server()


@cache
def _one_fork_server() -> ForkServer:
    return ForkServer()


class Swarm:
    """One that runs in a process and session of its own; what it says is in `log`."""

    def __init__(self, orders: str, log: Path) -> None:
        self.log = log
        self._line, theirs = socket.socketpair()
        with theirs, log.open("ab") as output:
            _fork_server().fork(orders, (output.fileno(),) * 2, theirs.fileno())
        self._heard = self._line.makefile("r")
        self._next("pid")

    def wait(self) -> int | None:
        """The exit code, minus the signal for one that was killed; None when it has been frozen.

        A swarm that hangs ends itself.
        """
        word, number = self._next("exit", "stopped")
        return None if word == "stopped" else number

    def thaw(self) -> int:
        """Let one that is frozen go on; its exit code."""
        self._line.sendall(b"thaw\n")
        return self._next("exit")[1]

    def end(self) -> None:
        """Whatever state it is in."""
        if self._heard.closed:
            return
        with suppress(OSError):  # it has ended already
            self._line.shutdown(socket.SHUT_WR)
            self._heard.read()
        self._close()

    def _close(self) -> None:
        self._heard.close()
        self._line.close()

    def _next(self, *words: str) -> tuple[str, int]:
        word, _, number = self._heard.readline().rstrip("\n").partition(" ")
        if word not in words:
            raise ProcessError(f"a swarm of the harness was lost; {self.log} may tell why")
        if word == "exit":
            self._close()
        return word, int(number or 0)


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
