"""A swarm as a process of its own that kills itself at one exact moment.

Arguments: the project's folder, then PART.METHOD, `before`, `during` or `after`, and which call of
it. PART is `repository`, `processes`, `spool` or `db`; METHOD of `db` is the use case that is
written. `during` is when the program has just started. `file.EVENT@FUNCTION` is what Python is
about to do to a file in a function of ours, as its audit events call it.
"""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.swarm.supervisor import Supervisor


def die(*_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives this")


@dataclass
class Fatal:
    """Does what `real` does, but dies at the chosen call."""

    real: Any
    method: str
    moment: str
    calls: int
    is_database: bool

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.real, name)
        if name == "write" and self.is_database:
            return self._writing(real)
        return self._fatal(real) if name == self.method and not self.is_database else real

    def _writing(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        fatal = self._fatal(real)

        async def write(use_case: Any, *args: Any, **kwargs: Any) -> Any:
            chosen = fatal if use_case.__name__ == self.method else real
            return await chosen(use_case, *args, **kwargs)

        return write

    def _fatal(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls -= 1
            is_it = self.calls == 0  # others may be made before this one ends
            if is_it and self.moment == "before":
                die()
            if is_it and self.moment == "during":
                kwargs["on_started"] = die
            result = await real(*args, **kwargs)
            if is_it:
                die()
            return result

        return call


def die_at_file(event: str, function: str, calls: int) -> None:
    left = itertools.count(calls - 1, -1)

    def hear(told: str, _: object) -> None:
        if told == event and function in ours(sys._getframe(1)) and next(left) == 0:
            die()

    sys.addaudithook(hear)


def ours(frame: FrameType | None) -> set[str]:
    """The functions that are being called."""
    names = set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


async def main(folder: str, place: str, moment: str, calls: str) -> None:
    project = bootstrap.load_project(Path(folder))
    part, _, method = place.partition(".")
    async with bootstrap.open_database(project) as db:
        supervisor = await supervision.build_supervisor(project, db, lambda _: None)
        parts = supervisor._parts
        if part == "file":
            event, _, function = method.partition("@")
            die_at_file(event, function, int(calls))
            await supervisor.run(until_idle=True)
        fatal = Fatal(getattr(parts, part), method, moment, int(calls), part == "db")
        changed: dict[str, Any] = {part: fatal}
        await Supervisor(replace(parts, **changed), lambda _: None).run(until_idle=True)


asyncio.run(main(*sys.argv[1:]))
