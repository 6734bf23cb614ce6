"""Files and processes that Python code makes, changes or ends, told by the interpreter itself.

Python raises an audit event before each of these. So nothing has to be written down at the places
in question, and a place that somebody adds tomorrow is a point without anybody's doing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

Reached = Callable[[str], bool]
"""Takes the name of a site that is about to act; whether to be told again after it has acted."""

_FILES: Final = frozenset(
    {
        "os.mkdir",
        "os.rmdir",
        "os.remove",
        "os.rename",
        "os.link",
        "os.symlink",
        "os.truncate",
        "shutil.rmtree",
        "shutil.move",
        "shutil.copyfile",
    }
)
_PROCESSES: Final = frozenset(
    {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.kill", "os.killpg"}
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OURS: Final = "abathur."
_APART: Final = "abathur.chaos"


def watch(root: Path, before: Reached, after: Callable[[str], None]) -> None:
    """From now on, for as long as this process lives: a hook can't be taken out again."""
    inside = str(root) + os.sep
    sites = _Sites(inside, before, after)
    sys.addaudithook(sites.hear)
    for name in ("fsync", "fdatasync"):
        if hasattr(os, name):
            setattr(os, name, sites.synced(name, getattr(os, name)))


class _Sites:
    def __init__(self, inside: str, before: Reached, after: Callable[[str], None]) -> None:
        self._inside, self._before, self._after = inside, before, after

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            if not (args[2] & _WRITING and self._is_ours(args[0])):
                return
        elif event in _FILES:
            if not self._is_ours(args[0]):
                return
        elif event not in _PROCESSES:
            return
        frame = sys._getframe(1)
        name = _named(event, args, frame)
        if self._before(name):
            _then(_caller(frame), lambda: self._after(name))

    def synced(self, name: str, real: Callable[[int], None]) -> Callable[[int], None]:
        """`os.fsync` raises no event."""

        def sync(descriptor: int) -> None:
            site = _named(f"os.{name}", (), sys._getframe(1))
            again = self._before(site)
            real(descriptor)
            if again:
                self._after(site)

        return sync

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._inside)


def _named(event: str, args: tuple[Any, ...], frame: FrameType | None) -> str:
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(_OURS) and not module.startswith(_APART):
            return f"{event}@{module.removeprefix(_OURS)}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    # The event loop starts programs in a task of its own, so the caller isn't to be seen.
    return f"{event}@{_program(args)}"


def _program(args: tuple[Any, ...]) -> str:
    """Of git also which of its commands; of others none, for they are the agents'."""
    given = args[1] if len(args) > 1 else None
    argv = [str(word) for word in given] if isinstance(given, list | tuple) else []
    if not argv or Path(argv[0]).name != "git":
        return "program"
    words = iter(argv[1:])
    for word in words:
        if word == "-c":
            next(words, None)
        elif not word.startswith("-"):
            return f"git {word}"
    return "git"


def _caller(frame: FrameType) -> FrameType:
    """Out of the library that does it in several steps, so that all of them are done."""
    here: FrameType | None = frame
    while here is not None:
        module = str(here.f_globals.get("__name__", ""))
        if module not in {"subprocess", "pathlib", "shutil", "os", "tempfile"}:
            return here
        here = here.f_back
    return frame


def _then(frame: FrameType, act: Callable[[], None]) -> None:
    """Act as soon as the frame goes on, as a debugger does that steps over a line."""
    earlier = frame.f_trace

    def step(frame: FrameType, event: str, arg: Any) -> Any:
        if event in {"line", "return", "exception"}:
            if earlier is not None:
                earlier(frame, event, arg)
            sys.settrace(None)
            act()
        return step

    frame.f_trace = step
    sys.settrace(lambda *_: None)
