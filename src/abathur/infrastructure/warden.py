"""A small process that outlives a killed supervisor for as long as it takes to end its agents.

It holds the read end of a pipe. The kernel closes the other end when the supervisor dies, however
it dies; without a farewell before that, the warden ends everything that carries the tags.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Self

from abathur.infrastructure.process_tags import Ending, Hunt

if TYPE_CHECKING:
    from abathur.infrastructure.processes import Helper

_MODULE = "abathur.infrastructure.warden"

FAREWELL = b"q"
READY = b"r"

# A child that was between fork and exec when its parent died shows its tags only afterwards.
_ROUNDS = 3
_SECONDS_BETWEEN_ROUNDS = 0.3

_SECONDS_TO_TRY_AGAIN = 5.0
_START_SECONDS = 30.0
_CLOSE_SECONDS = 5.0


class Warden:
    """Our end of the pipe. `close` is the orderly way to let go; dying is the other one."""

    def __init__(self, process: Helper, pipe: int, answer: int) -> None:
        self._process = process
        self._pipe: int | None = pipe
        self._answer: int | None = answer
        """It never says more than that it is ready: the end of this is its own."""

    @property
    def pid(self) -> int:
        return self._process.pid

    async def died(self) -> None:
        """Returns when the process is gone, at once."""
        import asyncio

        if self._answer is None:
            return
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._answer, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._answer)

    async def close(self) -> None:
        """Call it when no agent runs any more. The warden is gone afterwards, and ends nothing."""
        import asyncio

        answer, self._answer = self._answer, None
        if answer is not None:
            os.close(answer)
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            _say_farewell(pipe)
            await asyncio.to_thread(self._process.wait, _CLOSE_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


class Guard:
    """A warden that is there for as long as this is open: one that dies has a successor at once."""

    def __init__(
        self, tags: Mapping[str, str], grace_seconds: float, on_death: Callable[[str], None]
    ) -> None:
        self._tags, self._grace = tags, grace_seconds
        self._on_death = on_death

    async def __aenter__(self) -> Self:
        import asyncio

        self.warden = await start_warden(self._tags, self._grace)
        self._watch = asyncio.create_task(self._replace_the_dead())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        import asyncio

        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        await self.warden.close()

    async def _replace_the_dead(self) -> None:
        import asyncio

        while True:
            await self.warden.died()
            self._on_death("the warden died; another one is started")
            await self.warden.close()
            self.warden = await self._successor()
            # One that dies at once, again and again, mustn't take the processor.
            await asyncio.sleep(_SECONDS_BETWEEN_ROUNDS)

    async def _successor(self) -> Warden:
        import asyncio

        from abathur.domain.errors import ProcessError

        while True:
            try:
                return await start_warden(self._tags, self._grace)
            except (ProcessError, OSError) as error:
                self._on_death(f"no warden: {error}")
                await asyncio.sleep(_SECONDS_TO_TRY_AGAIN)


async def start_warden(tags: Mapping[str, str], grace_seconds: float) -> Warden:
    """When this returns, whatever is started with the tags is ended should we die.

    Raises `ProcessError` when the warden doesn't come up.
    """
    import asyncio

    from abathur.domain.errors import ProcessError

    process, pipe, answer = _start(json.dumps({"tags": dict(tags), "grace": grace_seconds}))
    warden = Warden(process, pipe, answer)
    try:
        is_ready = await asyncio.to_thread(_says_ready, answer)
    except BaseException:
        await warden.close()
        raise
    if not is_ready:
        process.kill()
        await warden.close()
        raise ProcessError(f"the warden process doesn't start: try `{sys.executable} -m {_MODULE}`")
    return warden


def main(orders: str) -> None:
    """The warden's own life."""
    # Whoever signals the supervisor's terminal or its kin means the supervisor.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wanted = json.loads(orders)
    with suppress(OSError):
        os.write(sys.stdout.fileno(), READY)
    if os.read(sys.stdin.fileno(), 1) != FAREWELL:
        _end_everything(wanted["tags"], wanted["grace"])


def _end_everything(tags: Mapping[str, str], grace_seconds: float) -> None:
    clock = Event()
    for _ in range(_ROUNDS):
        ending = Ending(Hunt(tags), grace_seconds)
        for pause in ending.pauses():
            clock.wait(pause)
        clock.wait(_SECONDS_BETWEEN_ROUNDS)


def _start(orders: str) -> tuple[Helper, int, int]:
    """The process, the pipe that tells it of our end, and the one that it answers on."""
    from abathur.infrastructure.processes import start_helper

    stdin, pipe = os.pipe()
    answer, stdout = os.pipe()
    try:
        return start_helper(_MODULE, orders, stdin=stdin, stdout=stdout), pipe, answer
    except BaseException:
        os.close(pipe)
        os.close(answer)
        raise
    finally:
        os.close(stdin)
        os.close(stdout)


def _says_ready(answer: int) -> bool:
    readable, _, _ = select.select([answer], [], [], _START_SECONDS)
    return bool(readable) and os.read(answer, 1) == READY


def _say_farewell(pipe: int) -> None:
    try:
        os.write(pipe, FAREWELL)
    except BrokenPipeError:
        pass  # Somebody killed it.
    finally:
        os.close(pipe)


if __name__ == "__main__":
    main(sys.argv[1])
