"""Finding every process of a run, and ending them all.

A group or a session doesn't hold what an agent starts: agents give the commands they run sessions
of their own, and these outlive a kill of the group. What is inherited by all of them is the
environment, so each run carries tags there. Knows nothing of asyncio: the warden uses this too.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from abathur.domain.runs import StopSignal
from abathur.infrastructure import cgroups

logger = logging.getLogger(__name__)

_PROC = Path("/proc")
_SECONDS_TO_DIE = 5.0
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.2
_LEAD_SECONDS = 2.0
"""What a program is given to end its tools by itself, and to write down that it did."""


class Hunt:
    """What belongs to a run: all that carry the tags, a session's members, and descendants.

    A process that drops its environment, its session and its parents is found by none of these.
    """

    def __init__(self, tags: Mapping[str, str]) -> None:
        self._needles = [os.fsencode(f"\0{name}={value}\0") for name, value in tags.items()]
        self._session: int | None = None
        self._cgroup: Path | None = None
        self._keeper: int | None = None
        self._is_keeper_gone: Callable[[], bool] = lambda: False
        self._is_leader_gone: Callable[[], bool] = lambda: False
        self._is_empty: Callable[[], bool] = lambda: False

    def follow(self, leader: int, is_gone: Callable[[], bool]) -> None:
        """Hunt the session of this process too. `is_gone` tells whether it has been waited for."""
        self._session = leader
        self._is_leader_gone = is_gone

    @property
    def leader(self) -> int | None:
        """The followed process, while it lives."""
        return None if self._session is None or self._is_leader_gone() else self._session

    def follow_keeper(
        self, keeper: int, is_gone: Callable[[], bool], is_empty: Callable[[], bool]
    ) -> None:
        """Hunt all that is below this process of ours too, never itself.

        `is_empty` tells whether it has seen that nothing is left below it.
        """
        self._keeper = keeper
        self._is_keeper_gone = is_gone
        self._is_empty = is_empty

    def follow_cgroup(self, cgroup: Path) -> None:
        """Hunt all members of the cgroup too."""
        self._cgroup = cgroup

    def find(self) -> list[psutil.Process]:
        """The living ones, never ourselves. Other users' processes can't be read and aren't."""
        # Nothing leads out from below a subreaper, so its word spares us a look at every process.
        if self._is_empty():
            return []
        pids = set(psutil.pids()) - {os.getpid()}
        if self._session in pids and self._is_leader_gone():
            # Its number is in new hands, which the kernel allows only when its session is empty.
            self._session = None
        marked = {pid for pid in pids if self._is_marked(pid)}
        roots = marked | self._kept()
        if roots:
            marked = roots | _descendants(roots, pids)
        return [process for pid in sorted(marked) if (process := _living(pid))]

    def _kept(self) -> set[int]:
        """The keeper's children: its agent, and what has lost its own parents. And the cgroup's."""
        together = set() if self._cgroup is None else cgroups.members(self._cgroup)
        if self._keeper is None or self._is_keeper_gone():
            return together
        return together | children_of(self._keeper)

    def kill(self) -> None:
        """One round of KILL, for when there is no time left for more."""
        for process in self.find():
            _signal(process, signal.SIGKILL)

    def _is_marked(self, pid: int) -> bool:
        with suppress(OSError):
            if self._session is not None and os.getsid(pid) == self._session:
                return True
        # No tags would mean every process of this machine.
        if not self._needles:
            return False
        environment = _environment(pid)
        return all(needle in environment for needle in self._needles)


class Ending:
    """TERM to everything found, the grace, then KILL until nothing is found.

    What appears in between is treated like the rest. With `ask_leader`, a signal's name, the hunt's
    leader alone is asked first, with that signal: an agent that loses its tools before it is asked
    to end takes that for their failure, and goes on.
    """

    def __init__(
        self, hunt: Hunt, grace_seconds: float, ask_leader: StopSignal | None = None
    ) -> None:
        self._hunt = hunt
        self._ask_leader = ask_leader
        now = time.monotonic()
        self._kill_at = now + grace_seconds
        self._followers_at = now + min(grace_seconds / 2, _LEAD_SECONDS)
        self._give_up_at = self._kill_at + _SECONDS_TO_DIE
        self._asked: set[psutil.Process] = set()

    @property
    def count(self) -> int:
        """How many processes there were."""
        return len(self._asked)

    def pauses(self) -> Iterator[float]:
        """Each turn does its part, and yields the seconds to wait before the next one."""
        pause = _FIRST_PAUSE
        while left := self._hunt.find():
            now = time.monotonic()
            if now >= self._give_up_at:
                logger.error("processes that can't be killed: %s", [one.pid for one in left])
                return
            self._strike(left, now)
            yield pause if now >= self._kill_at else min(pause, self._kill_at - now)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _strike(self, processes: Iterable[psutil.Process], now: float) -> None:
        leader = self._hunt.leader if self._ask_leader else None
        for process in processes:
            if now >= self._kill_at:
                _signal(process, signal.SIGKILL)
            elif leader is not None and process.pid != leader and now < self._followers_at:
                continue
            # A second one makes some programs leave at once, without putting things in order.
            elif process not in self._asked:
                name = self._ask_leader if process.pid == leader else None
                _signal(process, signal.Signals[f"SIG{name or 'TERM'}"])
            self._asked.add(process)


def _environment(pid: int) -> bytes:
    """The variables between NUL bytes, empty when they can't be read."""
    try:
        # psutil takes 20 times as long, and this is done for every process there is.
        return b"\0" + (_PROC / str(pid) / "environ").read_bytes() + b"\0"
    except FileNotFoundError:
        return b"" if _PROC.joinpath("self").exists() else _environment_by_psutil(pid)
    except OSError:
        return b""


def _environment_by_psutil(pid: int) -> bytes:
    try:
        variables = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return b""
    return os.fsencode(
        "\0".join(["", *(f"{name}={value}" for name, value in variables.items()), ""])
    )


def children_of(pid: int) -> set[int]:
    try:
        told = (_PROC / str(pid) / "task" / str(pid) / "children").read_text()
    except OSError:
        # Not every kernel tells them.
        with suppress(psutil.Error):
            return {child.pid for child in psutil.Process(pid).children()}
        return set()
    return {int(child) for child in told.split()}


def _descendants(roots: set[int], pids: set[int]) -> set[int]:
    children: dict[int, set[int]] = {}
    for pid in pids:
        with suppress(psutil.Error):
            children.setdefault(psutil.Process(pid).ppid(), set()).add(pid)
    found: set[int] = set()
    fresh = roots
    while fresh:
        fresh = {child for pid in fresh for child in children.get(pid, ())} - found - roots
        found |= fresh
    return found


def _living(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    # psutil looks at the start time first, so that a pid in new hands isn't hit.
    with suppress(psutil.Error):
        process.send_signal(number)
