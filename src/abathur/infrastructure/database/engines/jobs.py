"""Work that coroutines hand to threads, and how its result gets back to their event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from abathur.domain.errors import DatabaseClosedError
from abathur.ports.at_once import AtOnce

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")


class Job(Generic[C, T]):
    """A function of something that only a thread has, and the future that waits for it."""

    __slots__ = ("_args", "_kwargs", "_work", "error", "future", "loop", "result")

    def __init__(
        self, work: Callable[Concatenate[C, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        self._work: Callable[..., T] = work
        self._args = args
        self._kwargs = kwargs
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.result: T | None = None
        self.error: BaseException | None = None

    def foresee(self, subject: C) -> None:
        """Let the work say what it is going to read, if it can, so that it may be read with more.

        It can when it has an attribute `foresee`, which takes the same arguments.
        """
        tell = getattr(self._work, "foresee", None)
        if tell is not None:
            tell(subject, *self._args, **self._kwargs)

    @property
    def at_once(self) -> AtOnce | None:
        """How to do several of this kind together, if the work says so."""
        return getattr(self._work, "at_once", None)

    def told(self, call: Callable[..., Any]) -> Any:
        """What `call` makes of the arguments."""
        return call(*self._args, **self._kwargs)

    def run(self, subject: C) -> None:
        """Keeps what comes out, also an exception. May be run again."""
        self.error = None
        try:
            self.result = self._work(subject, *self._args, **self._kwargs)
        except StopIteration as error:
            # A future refuses this one.
            self.error = RuntimeError("a use case let StopIteration escape")
            self.error.__cause__ = error
        except BaseException as error:
            self.error = error

    def settle(self) -> None:
        """Runs in the job's event loop."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)  # type: ignore[arg-type]
        else:
            self.future.set_exception(self.error)


def answer(jobs: Iterable[Job[Any, Any]]) -> None:
    """Tell every waiter: one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job[Any, Any]]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:
            # The loop is closed: nobody is left who could be told.
            continue


def _settle(jobs: list[Job[Any, Any]]) -> None:
    for job in jobs:
        job.settle()


def refuse(jobs: Iterable[Job[Any, Any]], error: BaseException) -> None:
    refused = list(jobs)
    for job in refused:
        job.error = error
    answer(refused)


def closed(where: str) -> DatabaseClosedError:
    return DatabaseClosedError(f"`{where}` isn't open; call `initialize()` first")


async def apart(work: Callable[[], T]) -> T:
    """Run something that blocks on a thread of its own, which never keeps the program alive."""
    job: Job[None, T] = Job(lambda _: work())

    def run() -> None:
        job.run(None)
        answer([job])

    Thread(target=run, name="abathur-database-call", daemon=True).start()
    return await job.future
