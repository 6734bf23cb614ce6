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
from collections.abc import Mapping
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

_START_SECONDS = 30.0
_CLOSE_SECONDS = 5.0


class Warden:
    """Our end of the pipe. `close` is the orderly way to let go; dying is the other one."""

    def __init__(self, process: Helper, pipe: int) -> None:
        self._process = process
        self._pipe: int | None = pipe

    @property
    def pid(self) -> int:
        return self._process.pid

    async def close(self) -> None:
        """Call it when no agent runs any more. The warden is gone afterwards, and ends nothing."""
        import asyncio

        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            _say_farewell(pipe)
            await asyncio.to_thread(self._process.wait, _CLOSE_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


async def start_warden(tags: Mapping[str, str], grace_seconds: float) -> Warden:
    """When this returns, whatever is started with the tags is ended should we die.

    Raises `ProcessError` when the warden doesn't come up.
    """
    import asyncio

    from abathur.domain.errors import ProcessError

    process, pipe, answer = _start(json.dumps({"tags": dict(tags), "grace": grace_seconds}))
    warden = Warden(process, pipe)
    try:
        is_ready = await asyncio.to_thread(_says_ready, answer)
    except BaseException:
        await warden.close()
        raise
    finally:
        os.close(answer)
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
