"""The one way to run git: a clean environment, no hooks, no questions, one shape of error.

Names from outside reach git through stdin, or as full hashes, or behind `--`, so that none of
them can be taken for an option.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from abathur.domain.errors import GitError
from abathur.domain.outages import outage_in
from abathur.infrastructure import secrets
from abathur.infrastructure.cancellation import result_of, settle
from abathur.infrastructure.git import spawning, stale_locks, torn_records

# The user's hooks, signing key and background services are for the user's own commits. LF or CRLF
# is no reason to lose an agent's file.
_SETTINGS = {
    "advice.detachedHead": "false",
    "commit.gpgSign": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.quotePath": "false",
    "core.safecrlf": "false",
    "gc.auto": "0",
    "i18n.commitEncoding": "UTF-8",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
}
_OPTIONS = tuple(part for item in _SETTINGS.items() for part in ("-c", "=".join(item)))

# Which configuration is read and who commits is the user's choice. The rest of `GIT_*` is set in
# hooks and aliases, and would send us into another repository, index or object store.
_KEPT = frozenset(
    {
        "GIT_AUTHOR_EMAIL",
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_EXEC_PATH",
    }
)

# Another git holds a lock for some milliseconds, or is in the middle of making a worktree.
_CONTENTION = re.compile(rb"\.lock': File exists|failed to read \S*/worktrees/\S+")
_RETRY_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_SECONDS_TO_FINISH = 1.0
_TERMS = 50
_SECONDS_BETWEEN_TERMS = 0.1
_SHOWN_LINES = 3
_FATAL = 128


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def fields(self) -> list[bytes]:
        """What stands between the NUL bytes of stdout."""
        return self.stdout.removesuffix(b"\0").split(b"\0") if self.stdout else []

    @property
    def text(self) -> str:
        return os.fsdecode(self.stdout).removesuffix("\n")


class Objects(Protocol):
    """Answers what can be looked up without a process for each look."""

    async def start(self) -> None: ...

    async def names(self, names: Sequence[str]) -> list[str | None]: ...

    async def parents(self, commits: Sequence[str]) -> list[tuple[str, ...] | None]: ...


class Diffs(Protocol):
    """Says what differs without a process for each answer."""

    async def start(self, options: tuple[str, ...]) -> None: ...

    async def between(
        self, old: str, new: str, options: tuple[str, ...], limit: int | None
    ) -> bytes: ...


class Git:
    """Runs git in one folder. Cancelling ends git in order, so that it takes its locks away."""

    def __init__(
        self,
        folder: Path,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._sleep = sleep
        self._tags = tags or {}
        self._cache: dict[str, Mapping[str, str]] = {}
        self._environment: dict[str, Mapping[bytes, bytes]] = {}
        self.objects: Objects | None = None
        """Set while somebody keeps the repository open."""
        self.diffs: Diffs | None = None
        """Likewise."""

    def at(self, folder: Path) -> Git:
        """The same for another working tree of the repository."""
        other = Git(folder, self._sleep, self._tags)
        other._cache, other._environment = self._cache, self._environment
        return other

    async def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        codes: Sequence[int] = (0,),
        waits_for_locks: bool = True,
    ) -> Result:
        """Raises `GitError` when git exits with a code that isn't among `codes`."""
        result = await self._once(args, stdin, env or {})
        for pause in _RETRY_SECONDS if waits_for_locks else ():
            if result.code in codes or not _CONTENTION.search(result.stderr):
                break
            await self._sleep(pause)
            result = await self._once(args, stdin, env or {})
        if result.code not in codes and waits_for_locks and self._is_cleared(result.stderr):
            result = await self._once(args, stdin, env or {})
        if result.code not in codes:
            raise _error(args, result)
        return result

    def _is_cleared(self, stderr: bytes) -> bool:
        """Whether something that a git left when it was killed is out of the way now."""
        return stale_locks.clear(stderr) or torn_records.mend(stderr, self.folder)

    async def commit(self, *args: str, stdin: bytes) -> Result:
        """Run a command that makes a commit; Abathur's name is on it if the user has set none."""
        return await self.run(*args, stdin=stdin, env=await self._identity())

    async def learn_identity(self) -> None:
        """Before the first commit needs it. Never raises: that one will."""
        with suppress(GitError):
            await self._identity()

    async def _identity(self) -> Mapping[str, str]:
        if "identity" not in self._cache:
            self._cache["identity"] = await self._find_identity()
        return self._cache["identity"]

    async def outlast(self, lock: Path) -> None:
        """Wait for a lock file to go; remove it if it stays longer than any living git needs."""
        for pause in _RETRY_SECONDS:
            if not lock.exists():
                return
            await self._sleep(pause)
        lock.unlink(missing_ok=True)

    async def _once(self, args: Sequence[str], stdin: bytes, env: Mapping[str, str]) -> Result:
        if not spawning.is_available():
            return await self._through_pipes(args, stdin, env)
        argv = (_program(os.environ.get("PATH")), *_OPTIONS, *args)
        try:
            git = spawning.Spawned(argv, self.folder, self._whole_environment(env), stdin)
        except OSError as error:
            raise _not_started(self.folder, error) from error
        try:
            await git.gone.wait()
            result = Result(git.code, *git.answer())
        finally:
            if not git.gone.is_set():
                await settle(asyncio.ensure_future(_end(git.pid, git.gone.wait())))
            git.close()
        if result.code == _FATAL and not self.folder.is_dir():
            raise GitError(_why_not_started(self.folder))
        return result

    async def _through_pipes(
        self, args: Sequence[str], stdin: bytes, env: Mapping[str, str]
    ) -> Result:
        stdin_kind = subprocess.PIPE if stdin else subprocess.DEVNULL
        starting = asyncio.ensure_future(self._spawn(args, env, stdin_kind, subprocess.PIPE))
        try:
            # Cancelled half-way, the event loop would kill git, which leaves its locks then.
            process = await settle(starting)
            stdout, stderr = await process.communicate(stdin or None)
        except OSError as error:
            raise _not_started(self.folder, error) from error
        finally:
            if (started := result_of(starting)) and started.returncode is None:
                ended = _end(started.pid, started.communicate())
                await settle(asyncio.ensure_future(ended))
        return Result(process.returncode or 0, stdout, stderr)

    async def start(self, *args: str) -> asyncio.subprocess.Process:
        """A git that the caller talks to, and ends. Raises `GitError` if it can't be started."""
        try:
            return await self._spawn(args, {}, subprocess.PIPE, subprocess.DEVNULL)
        except OSError as error:
            raise _not_started(self.folder, error) from error

    async def _spawn(
        self, args: Sequence[str], env: Mapping[str, str], stdin: int, stderr: int
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            _program(os.environ.get("PATH")),
            *_OPTIONS,
            *args,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=self.folder,
            env=self._whole_environment(env),
            start_new_session=True,
        )

    def _whole_environment(self, more: Mapping[str, str]) -> Mapping[bytes, bytes]:
        """Of this process as it was at the first command: to look again would cost as much."""
        ours = self._environment.get("ours")
        if ours is None:
            ours = self._environment["ours"] = {**_environment(), **_encoded(self._tags)}
        return {**ours, **_encoded(more)} if more else ours

    async def _find_identity(self) -> Mapping[str, str]:
        pattern = r"^(user|author|committer)\.(name|email)$"
        known = await self.run("config", "-z", "--get-regexp", pattern, codes=(0, 1))
        config = {field.partition(b"\n")[0].decode() for field in known.fields}
        return {
            variable: value
            for role in ("author", "committer")
            if not all(_is_configured(role, part, config) for part in ("name", "email"))
            for variable, value in (
                (f"GIT_{role.upper()}_NAME", "Abathur"),
                (f"GIT_{role.upper()}_EMAIL", "abathur@localhost"),
            )
        }


def _is_configured(role: str, part: str, config: set[str]) -> bool:
    variable = f"GIT_{role.upper()}_{part.upper()}"
    return bool(os.environ.get(variable)) or bool({f"{role}.{part}", f"user.{part}"} & config)


def _environment() -> Mapping[bytes, bytes]:
    """Ours as git may see it, in bytes, as the system wants it."""
    kept = {
        name: value
        for name, value in os.environb.items()
        if not name.startswith(b"GIT_") or os.fsdecode(name) in _KEPT
    }
    return kept | {
        b"GIT_NO_REPLACE_OBJECTS": b"1",
        b"GIT_OPTIONAL_LOCKS": b"0",
        b"GIT_TERMINAL_PROMPT": b"0",
        b"LC_ALL": b"C",
    }


def _encoded(env: Mapping[str, str]) -> Mapping[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in env.items()}


@lru_cache(maxsize=4)
def _program(path: str | None) -> str:
    """Where git is on this PATH, so that it isn't looked for each time."""
    return shutil.which("git", path=path) or "git"


async def _end(pid: int, ended: Coroutine[Any, Any, object]) -> None:
    """Let git finish, for most commands are short. Then TERM, on which it removes its locks.

    In the moment in which it makes a lock it doesn't yet, so TERM isn't the first choice.
    """
    done = asyncio.ensure_future(ended)
    await asyncio.wait((done,), timeout=_SECONDS_TO_FINISH)
    for number in (*[signal.SIGTERM] * _TERMS, signal.SIGKILL):
        if done.done():
            break
        # The group, for git runs git. Again and again: a signal that comes while git forks is
        # kept for git alone, and the new process doesn't get it.
        with suppress(ProcessLookupError):
            os.killpg(pid, number)
        await asyncio.wait((done,), timeout=_SECONDS_BETWEEN_TERMS)
    # Who still holds the output now has left git's group.
    done.cancel()


def _not_started(folder: Path, error: OSError) -> GitError:
    if isinstance(error, FileNotFoundError):
        return GitError(_why_not_started(folder))
    return GitError(f"can't run git: {error.strerror}")


def _why_not_started(folder: Path) -> str:
    if not folder.is_dir():
        return f"the folder {folder} doesn't exist"
    return "git isn't installed, or isn't on PATH"


def _error(args: Sequence[str], result: Result) -> GitError:
    lines = [line for line in result.stderr.decode(errors="replace").splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(("hint:", "warning:"))] or lines
    shown = [line.strip() for line in useful[:_SHOWN_LINES]]
    outage = outage_in("\n".join(useful))
    if outage is not None and not any(outage.line in line for line in shown):
        shown.append(outage.line)  # a filter may have said much before
    said = "; ".join(shown) or "it said nothing"
    command = " ".join(arg if arg.isprintable() else repr(arg) for arg in args)
    text = f"`git {command}` failed with exit code {result.code}: {said}"
    # Git names remotes with their passwords.
    return GitError(secrets.redactor().text(text))
