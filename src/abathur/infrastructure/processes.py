"""Starting programs and being sure of their end: the only place where agents are started.

A run is over when its program has exited, whoever still holds its output open. Then everything
that carries the run's tags is ended, so that nothing of it lives when `run` returns.
"""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import Final

from abathur.domain.errors import NotExecutableError, ProcessError
from abathur.domain.redaction import Redactor
from abathur.domain.runs import Exit, StopSignal
from abathur.infrastructure import (
    bubblewrap,
    cgroups,
    keeping,
    private_files,
    process_times,
    secrets,
)
from abathur.infrastructure.cancellation import settle
from abathur.infrastructure.environment import clean_environment
from abathur.infrastructure.keeping import ForkServer, Line
from abathur.infrastructure.process_output import Output, Transcript
from abathur.infrastructure.process_tags import Ending, Hunt
from abathur.ports.processes import Launch, ProcessId, Stop

DRAIN_SECONDS = 1.0
"""For output that is still on its way after the exit, while a grandchild may hold the pipe."""

# When all are dead, exit and end of output are only a matter of the event loop's next turns.
_SETTLE_SECONDS = 5.0


def prefer_handles() -> None:
    """Hear of the end of children through handles of the kernel's, where it has them.

    Python 3.11 starts a thread for each child otherwise, and waits for it; later ones do it so by
    themselves. To be called on the event loop, while it has no child.
    """
    if sys.version_info >= (3, 12) or not hasattr(os, "pidfd_open"):
        return
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return  # a sandbox, or a kernel before 5.3
    if isinstance(asyncio.get_child_watcher(), asyncio.PidfdChildWatcher):
        return
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)


class SystemProcesses:
    """`ports.processes.ProcessRunner` on this machine's processes.

    The redactor goes over all that they write; without one, that of our own environment does.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or secrets.redactor()
        self._fork_server = ForkServer() if keeping.IS_AVAILABLE else None

    async def warm_up(self) -> None:
        if self._fork_server is not None:
            with suppress(OSError):  # the first order tries again, and says what is wrong
                await asyncio.to_thread(self._fork_server.start)

    async def run(
        self,
        launch: Launch,
        *,
        on_started: Callable[[ProcessId], None],
        on_line: Callable[[str], None],
        stop: Stop,
    ) -> Exit:
        if stop.is_set():
            return Exit(code=None, stopped=True)
        private_files.write(launch.command.files)
        with Transcript(launch.transcript, self._redactor) as transcript:
            program = _Program(launch, _Started(transcript, on_line), self._fork_server)
            try:
                await program.start()
                on_started(program.id())
                verdict = await program.wait(stop)
            finally:
                await settle(asyncio.ensure_future(program.end()))
            return program.exit(verdict, transcript.stderr_tail())

    def is_alive(self, process: ProcessId) -> bool:
        return process_times.lives(process.pid, process.started_at)

    async def reap(self, tags: Mapping[str, str], grace_seconds: float) -> int:
        return await _end(Hunt(tags), grace_seconds)

    def me(self) -> ProcessId:
        return _identify(os.getpid())


def run_briefly(argv: Sequence[str], pass_env: Sequence[str], timeout_seconds: float) -> int | None:
    """Run a small program of this machine to its end; blocks, so not for the event loop.

    Its exit code; None when it couldn't be started or was killed after the time.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(pass_env),
            timeout=timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode


async def sandbox_problem() -> str:
    """Why programs can't be confined here, with what to do; empty when they can."""
    try:
        command = bubblewrap.probe()
    except ProcessError as error:
        return str(error)
    env = clean_environment()
    done = await asyncio.to_thread(
        subprocess.run, command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode == 0:
        return ""
    said = " ".join(done.stderr.decode(errors="replace").split())
    return (
        f"a sandbox is configured, but bubblewrap can't make one here ({said}); allow user "
        "namespaces, or set `sandbox: off`"
    )


Helper = subprocess.Popen[bytes]


def start_helper(module: str, *args: str, stdin: int, stdout: int) -> Helper:
    """Start a module of ours as a program that may outlive us, in a session of its own.

    It carries no tags, ours neither if an agent started us, so no hunt for them ends it.
    """
    # Our own path, because the clean environment has none, and `-P` against the working folder.
    path = os.pathsep.join(filter(None, sys.path))
    return Helper(
        [sys.executable, "-P", "-m", module, *args],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=clean_environment((), {"PYTHONPATH": path}),
        start_new_session=True,
    )


class _Started(Output):
    """The output of a run, and the end of the process that we started for it."""

    def __init__(self, transcript: Transcript, on_line: Callable[[str], None]) -> None:
        super().__init__(transcript, on_line)
        self.gone = asyncio.Event()

    def process_exited(self) -> None:
        self.gone.set()
        super().process_exited()

    def agent_exited(self) -> None:
        """As the keeper says, which stays while anything is left below it."""
        super().process_exited()


class _Stream(asyncio.Protocol):
    """One pipe of a program that somebody else has started."""

    def __init__(self, output: Output, number: int) -> None:
        self._output = output
        self._number = number

    def data_received(self, data: bytes) -> None:
        self._output.pipe_data_received(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._output.pipe_connection_lost(self._number, exc)


class _Verdict(Enum):
    EXITED = auto()
    STOPPED = auto()
    TIMED_OUT = auto()


class _Program:
    """One started program with its pipes."""

    def __init__(self, launch: Launch, output: _Started, fork_server: ForkServer | None) -> None:
        self._launch = launch
        self._output = output
        self._fork_server = fork_server
        self._hunt = Hunt(launch.tags)
        self._line: Line | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._streams: list[asyncio.ReadTransport] = []
        self._pid = 0
        self._cgroup: Path | None = None
        self._stdin: asyncio.WriteTransport | None = None

    async def start(self) -> None:
        stdin, feed = os.pipe() if self._launch.command.stdin else (subprocess.DEVNULL, -1)
        try:
            await self._spawn(stdin)
        except BaseException:
            _close(feed)
            raise
        finally:
            _close(stdin)
        if feed >= 0:
            await self._feed(feed)

    async def _spawn(self, stdin: int) -> None:
        starting = asyncio.ensure_future(self._begin(stdin))
        try:
            # Cancelled half-way, the event loop would kill the program alone, and without grace.
            await settle(starting)
        except (OSError, ValueError) as error:
            raise _kind(self._launch, error)(_why_not_started(self._launch, error)) from error

    async def _begin(self, stdin: int) -> None:
        launch = self._launch
        argv = launch.command.argv
        if launch.confinement is not None:
            argv = bubblewrap.confined(argv, launch.cwd, self._environment(), launch.confinement)
        if self._fork_server is None:
            await self._begin_below_us(argv, stdin)
        else:
            await self._begin_below_a_keeper(self._fork_server, argv, stdin)
        self._hunt.follow(self._pid, self._output.exited.is_set)

    async def _begin_below_us(self, argv: Sequence[str], stdin: int) -> None:
        self._transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self._output,
            *argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._launch.cwd,
            env=self._environment(self._launch.tags),
            start_new_session=True,
        )
        self._pid = self._transport.get_pid()

    async def _begin_below_a_keeper(
        self, server: ForkServer, argv: Sequence[str], stdin: int
    ) -> None:
        launch = self._launch
        # The keeper doesn't carry the tags: whoever ends what carries them leaves it alone.
        order = keeping.order(
            argv,
            self._environment(),
            launch.cwd,
            tags=launch.tags,
            grace_seconds=launch.grace_seconds,
            cgroup=self._join_cgroup(),
        )
        theirs: list[int] = []
        try:
            theirs.append(os.open(os.devnull, os.O_RDONLY) if stdin < 0 else os.dup(stdin))
            for number in (1, 2):
                theirs.append(await self._read_from_pipe(number))
            line = self._line = await self._ordered(server, order, theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        keeper = await line.keeper
        self._hunt.follow_keeper(keeper, self._output.gone.is_set, lambda: line.is_empty)
        self._pid = await line.started

    async def _ordered(self, server: ForkServer, order: bytes, theirs: Sequence[int]) -> Line:
        """The line to the keeper that has the order: a spare one, or one that is forked."""
        hears = self._output.agent_exited, self._output.process_exited
        while spare := server.spare():
            if await asyncio.to_thread(server.order_spare, spare, order, theirs):
                return Line(*hears, spare)
            spare[0].close()
        line = Line(*hears)
        try:
            await asyncio.to_thread(server.order, order, (*theirs, *line.theirs))
        except BaseException:
            line.close()
            raise
        line.hand_over()
        return line

    async def _read_from_pipe(self, number: int) -> int:
        """The other end of a pipe that we take the program's output from."""
        reading, writing = os.pipe()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: _Stream(self._output, number), os.fdopen(reading, "rb", buffering=0)
        )
        self._streams.append(transport)
        return writing

    def _environment(self, tags: Mapping[str, str] | None = None) -> dict[str, str]:
        command = self._launch.command
        return clean_environment(command.pass_env, self._launch.env, command.env, tags or {})

    def _join_cgroup(self) -> str:
        self._cgroup = cgroups.make()
        if self._cgroup is None:
            return keeping.NO_CGROUP
        self._hunt.follow_cgroup(self._cgroup)
        return str(self._cgroup)

    def id(self) -> ProcessId:
        return _identify(self._pid)

    async def wait(self, stop: Stop) -> _Verdict:
        """Until the program exits, its output can't be taken, the time is up or `stop` is set."""
        over = self._output.over
        stopped = asyncio.ensure_future(_wait_for(stop))
        try:
            await asyncio.wait(
                (over, stopped),
                timeout=self._launch.timeout_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            stopped.cancel()
        # Whoever told us to stop may have killed it, and we hear of its end first; a program that
        # came to its own end has its say.
        was_stopped = stop.is_set() and (self._code() or 0) < 0
        if over.done() and not was_stopped:
            return _Verdict.EXITED
        return _Verdict.STOPPED if stopped.done() or stop.is_set() else _Verdict.TIMED_OUT

    async def end(self) -> None:
        """Leave no process of the run alive and close the pipes."""
        if self._output.exited.is_set():
            await _within(DRAIN_SECONDS, self._output.drained)
        try:
            await _end(self._hunt, self._launch.grace_seconds, self._ask_leader())
            if self._pid:
                await _within(_SETTLE_SECONDS, self._output.exited)
                await _within(_SETTLE_SECONDS, self._output.drained)
                await _within(_SETTLE_SECONDS, self._output.gone)
        finally:
            self._close()
            if self._cgroup is not None:
                await asyncio.to_thread(cgroups.end, self._cgroup)

    def _ask_leader(self) -> StopSignal | None:
        # The leader of what is confined is the sandbox, which wouldn't hand a signal on.
        return None if self._launch.confinement else self._launch.command.stop_signal

    def exit(self, verdict: _Verdict, stderr_tail: str) -> Exit:
        if self._output.failure is not None:
            raise self._output.failure
        return Exit(
            code=self._code(),
            timed_out=verdict is _Verdict.TIMED_OUT,
            stopped=verdict is _Verdict.STOPPED,
            stderr_tail=stderr_tail,
        )

    def _code(self) -> int | None:
        if self._line is not None:
            return self._line.code
        return self._transport.get_returncode() if self._transport is not None else None

    async def _feed(self, descriptor: int) -> None:
        # The event loop's own stdin is a socket in Python 3.11, which can't be opened by the name
        # /dev/stdin; a pipe can.
        self._stdin, _ = await asyncio.get_running_loop().connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(descriptor, "wb", buffering=0)
        )
        # From here on the loop writes as fast as the program reads, then closes; a program that
        # reads nothing keeps nobody waiting.
        self._stdin.write(self._launch.command.stdin)
        self._stdin.close()

    def _close(self) -> None:
        self._output.flush()
        if self._stdin is not None and self._stdin.get_write_buffer_size():
            self._stdin.abort()
        for transport in (self._transport, *self._streams):
            if transport is not None:
                transport.close()
        if self._line is not None and (spare := self._line.close()) and self._fork_server:
            self._fork_server.take_back(spare)


async def _end(hunt: Hunt, grace_seconds: float, ask_leader: StopSignal | None = None) -> int:
    """Cancelling cuts the grace short: everything is killed at once."""
    ending = Ending(hunt, grace_seconds, ask_leader)
    try:
        for pause in ending.pauses():
            await asyncio.sleep(pause)
    except asyncio.CancelledError:
        hunt.kill()
        raise
    return ending.count


async def _wait_for(stop: Stop) -> None:
    await stop.wait()


async def _within(seconds: float, event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _identify(pid: int) -> ProcessId:
    # One that has come and gone already gets a start that no process has: it is never alive.
    return ProcessId(pid, process_times.started_at(pid) or -1.0)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _kind(launch: Launch, error: OSError | ValueError) -> type[ProcessError]:
    is_lasting = isinstance(error, OSError) and error.errno in _LASTING
    return NotExecutableError if is_lasting and launch.cwd.is_dir() else ProcessError


_LASTING: Final = frozenset({errno.ENOENT, errno.EACCES, errno.ENOEXEC})


def _why_not_started(launch: Launch, error: OSError | ValueError) -> str:
    program = launch.command.argv[0]
    if not launch.cwd.is_dir():
        return f"can't start `{program}`: its folder {launch.cwd} doesn't exist"
    if isinstance(error, ValueError):
        return f"can't start `{program}`: {error} in its arguments or environment"
    if error.errno == errno.ENOENT:
        return f"can't start `{program}`: not found; install it, or put its folder on PATH" + (
            _interpreter_hint(program, launch.cwd)
        )
    if error.errno == errno.EACCES:
        return f"can't start `{program}`: not executable; try `chmod +x`"
    if error.errno == errno.ENOEXEC:
        return f"can't start `{program}`: neither a program nor a script; install it again"
    if error.errno == errno.E2BIG:
        return f"can't start `{program}`: arguments and environment are too long; use stdin"
    return f"can't start `{program}`: {error.strerror or error}"


def _interpreter_hint(program: str, cwd: Path) -> str:
    """A script whose `#!` program is missing gives the same error as a missing script."""
    return " (the file exists: is its `#!` line right?)" if (cwd / program).is_file() else ""
