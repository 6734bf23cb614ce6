"""A git process that stays, so that a question costs a fraction of a millisecond.

It ends by itself when its input is closed, which the kernel does when we die.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from abathur.domain.errors import GitError
from abathur.infrastructure.cancellation import result_of, settle
from abathur.infrastructure.git.commands import Git

T = TypeVar("T")

SECONDS_TO_ANSWER: Final = 60.0
"""Most answers take microseconds; a disk that takes longer than this is as good as gone."""


class KeptProcess:
    """Of a command that only reads. It answers one caller after another; `close` it."""

    def __init__(self, git: Git, *command: str, most_answers: int | None = None) -> None:
        """After `most_answers` another process takes over."""
        self._git = git
        self._most_answers, self._answers = most_answers, 0
        self._command = command
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._killed: list[asyncio.subprocess.Process] = []

    async def ask(self, exchange: Callable[[asyncio.subprocess.Process], Awaitable[T]]) -> T:
        """Raises `GitError` when git has no answer; the next question finds another process.

        `exchange` writes the question and reads the whole answer. It may be called twice.
        """
        async with self._turn:
            for may_repeat in (True, False):
                process = await self._running()
                try:
                    async with asyncio.timeout(SECONDS_TO_ANSWER):
                        answer = await exchange(process)
                except (OSError, EOFError, ValueError, TimeoutError) as error:
                    self.kill()
                    # It may have been ended long ago by somebody who tidied up.
                    if not may_repeat:
                        raise GitError(f"`git {' '.join(self._command)}` gave no answer") from error
                except asyncio.CancelledError:
                    # Half an answer would be taken for that to the next question.
                    self.kill()
                    raise
                else:
                    self._count()
                    return answer
            raise AssertionError("the second time returns or raises")

    async def start(self) -> None:
        """Have it ready. Never raises: whoever asks hears what is wrong."""
        with suppress(GitError):
            async with self._turn:
                await self._running()

    def _count(self) -> None:
        self._answers += 1
        if self._answers == self._most_answers:
            self.kill()

    def kill(self) -> None:
        """It only reads, so there is nothing that it could leave behind."""
        process, self._process = self._process, None
        if process is None:
            return
        self._killed.append(process)
        if process.returncode is None:
            process.kill()

    async def close(self) -> None:
        async with self._turn:
            process, self._process = self._process, None
            for each in [*self._killed, *([process] if process else [])]:
                await each.communicate(b"")  # closes its input, which ends it
            self._killed.clear()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            starting = asyncio.ensure_future(self._git.start(*self._command))
            try:
                await settle(starting)
            finally:
                self._process, self._answers = result_of(starting), 0
        assert self._process is not None
        return self._process
