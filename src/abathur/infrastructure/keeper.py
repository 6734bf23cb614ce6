"""The parents of agents, forked on order. A program of its own; standard library only (Linux).

Started once for a supervisor, it forks a *keeper* for each agent: a fork takes a twentieth of the
time that starting an interpreter takes. Whatever the agent starts stays below its keeper: as a
*subreaper* it becomes the parent of what loses its own, so neither a second fork, nor a session,
nor an empty environment leads out. It speaks with the supervisor over one socket:

    keeper PID       it is there
    started PID      the program runs
    failed ERRNO     it can't be started
    exit CODE        it has ended; negative for a signal
    empty 0          nothing is below the keeper any more, and it takes another order

When the socket closes, the supervisor is dead, or needs no more of it: then everything below is
asked to end, and killed after the grace. It stays until nothing is below it any more. Otherwise it
takes its next order on its own socket: what a process touches for the first time after its fork
costs more than the fork, and it has touched all that by then. Should it be killed itself, the
kernel kills the agent (the parent-death signal; it is tied to the thread that forked, and here
there is only one).

The one argument is the descriptor on which orders come: four bytes of length, with the
descriptors of stdin, stdout, stderr and of the keeper's socket, then so much of `marshal`'s: a dict
with `argv`, `env`, `cwd`, `tags` (variables that only the agent carries), `grace` in seconds and
`cgroup`, a folder or `-`. A keeper's further orders are the same, without a socket. When it closes,
no more are to come; keepers that live stay.

What a keeper needs is here before it is forked, and little is: each import, and each page that a
fork has to copy, is paid for with every run.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False  # as in `typing`, which takes as long to import as all the others
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.2
SECONDS_TO_BURY, BURYING_PAUSE = 0.2, 0.002
SECONDS_TO_DIE = 30.0
LENGTH, DESCRIPTORS = 4, 4
LIBC = ctypes.CDLL(None)
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)


class Voice:
    """What is said to the supervisor; it may be gone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_inheritable(descriptor, False)

    def say(self, word: str, number: int) -> None:
        self.tell(f"{word} {number}\n")

    def tell(self, lines: str) -> None:
        """All at once: who hears of an end hears in the same moment that nothing is left."""
        if lines:
            with suppress(OSError):
                os.write(self.descriptor, lines.encode())


def start(argv: list[str], env: Mapping[str, str], cgroup: str) -> int:
    """The agent's pid. Raises `OSError` when its program can't be run."""
    heard, told = os.pipe()
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        become(argv, env, cgroup, (keeper, told))
    os.close(told)
    failure = os.read(heard, 100)
    os.close(heard)
    if failure:
        os.waitpid(pid, 0)
        number = int(failure)
        raise OSError(number, os.strerror(number))
    return pid


def become(argv: list[str], env: Mapping[str, str], cgroup: str, line: tuple[int, int]) -> NoReturn:
    keeper, told = line
    try:
        os.setsid()
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:  # it died before the kernel was told
            os._exit(1)
        for number in (*IGNORED, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if cgroup != "-":
            with suppress(OSError), open(f"{cgroup}/cgroup.procs", "w") as members:  # noqa: PTH123
                members.write("0")
        execute(argv, env)
    except OSError as error:
        os.write(told, str(error.errno or errno.EIO).encode())
    finally:
        os._exit(127)


def execute(argv: list[str], env: Mapping[str, str]) -> NoReturn:
    """Raises `OSError`. As `os.execvpe`, which imports a module to look along the path."""
    program = argv[0]
    if "/" in program:
        os.execve(program, argv, env)
    failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in env.get("PATH", os.defpath).split(os.pathsep):
        try:
            os.execve(os.path.join(folder, program), argv, env)  # noqa: PTH118
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failure = error
    raise failure


def parents() -> Iterator[tuple[int, int]]:
    """(pid, its parent's pid) of all that live."""
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] not in (b"Z", b"X"):
                yield int(name), int(fields[1])


def below() -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in parents():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    fresh = [os.getpid()]
    while fresh:
        fresh = [child for pid in fresh for child in children.get(pid, ()) if child not in found]
        found.update(fresh)
    return found


def reap(agent: int, voice: Voice) -> bool:
    """Take the exit codes of those that have ended, and tell; whether any child is left."""
    lines, is_any_left = "", True
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == agent:
                lines += f"exit {os.waitstatus_to_exitcode(ended[1])}\n"
    except ChildProcessError:
        lines += "empty 0\n"
        is_any_left = False
    voice.tell(lines)
    return is_any_left


def end_all(agent: int, voice: Voice, grace: float, cgroup: str) -> None:
    """The supervisor is dead."""
    kill_at = time.monotonic() + grace
    asked: set[int] = set()
    pause = FIRST_PAUSE
    while reap(agent, voice) and time.monotonic() < kill_at + SECONDS_TO_DIE:
        is_over = time.monotonic() >= kill_at
        found = below()
        for pid in found if is_over else found - asked:
            try:
                # What is below us can't have its pid taken over: we are who would reap it, or
                # its parent is, which was seen to live an instant ago.
                os.kill(pid, signal.SIGKILL if is_over else signal.SIGTERM)
            except OSError:
                continue
        if is_over and cgroup != "-":
            with suppress(OSError), open(f"{cgroup}/cgroup.kill", "w") as order:  # noqa: PTH123
                order.write("1")
        asked |= found
        time.sleep(pause)  # noqa: TID251
        pause = min(pause * 2, LONGEST_PAUSE)
    with suppress(OSError):
        os.rmdir(cgroup)  # noqa: PTH106


def keep(agent: int, voice: Voice, wakeup: int, grace: float, cgroup: str) -> bool:
    """Until nothing is below; whether that is without the supervisor having gone before."""
    poll = select.poll()
    poll.register(wakeup, select.POLLIN)
    poll.register(voice.descriptor, select.POLLIN)
    while reap(agent, voice):
        for descriptor, _ in poll.poll():
            if descriptor == voice.descriptor:  # it never says a word: this is its end
                end_all(agent, voice, grace, cgroup)
                return False
            os.read(descriptor, 1000)
    return True


def prepare() -> int:
    """What a keeper is once and for all; the descriptor that is told of ended children."""
    os.setsid()
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wakeup, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    return wakeup


def tend(voice: Voice, wakeup: int, order: dict[str, Any], standard: list[int]) -> bool:
    """From an agent's start to the end of all that is below; whether another may be ordered."""
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    cgroup = order["cgroup"]
    try:
        os.chdir(order["cwd"])
        agent = start(order["argv"], order["env"] | order["tags"], cgroup)
    except OSError as error:
        voice.say("failed", error.errno or errno.EIO)
        return False
    voice.say("started", agent)
    # The end of the agent's output is told by the pipes' last holders: that mustn't be us.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    os.chdir("/")
    return keep(agent, voice, wakeup, order["grace"], cgroup)


def become_keeper(order: dict[str, Any], descriptors: list[int]) -> NoReturn:
    try:
        wakeup = prepare()
        *standard, speaking = descriptors
        voice, line = Voice(speaking), socket.socket(fileno=speaking)
        voice.say("keeper", os.getpid())
        while tend(voice, wakeup, order, standard) and (heard := hear(line)):
            order, standard = heard
    finally:
        os._exit(0)


def take(line: socket.socket, size: int) -> bytes:
    """So many bytes; fewer when the supervisor has gone."""
    taken = bytearray()
    while len(taken) < size and (more := line.recv(min(size - len(taken), 1 << 20))):
        taken += more
    return bytes(taken)


def hear(line: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    head, descriptors, _, _ = socket.recv_fds(line, LENGTH, DESCRIPTORS)
    head += take(line, LENGTH - len(head))
    size = int.from_bytes(head, "big")
    body = take(line, size)
    if not head or len(body) < size:
        return None
    return marshal.loads(body), descriptors


def bury(*_: object) -> None:
    """Take in the keepers that have ended, and with them the account of what they used."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve(line: socket.socket) -> None:
    """Until the supervisor has gone."""
    signal.signal(signal.SIGCHLD, bury)
    while heard := hear(line):
        order, descriptors = heard
        if os.fork() == 0:
            line.close()
            become_keeper(order, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    bury_idle()


def bury_idle() -> None:
    """Keepers without an agent end when we do; what they have used is to be in our account."""
    until = time.monotonic() + SECONDS_TO_BURY
    with suppress(ChildProcessError):
        while time.monotonic() < until:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(BURYING_PAUSE)  # noqa: TID251


def main() -> None:
    with suppress(ConnectionError):
        serve(socket.socket(fileno=int(sys.argv[-1])))
