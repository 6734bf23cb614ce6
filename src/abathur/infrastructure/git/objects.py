"""Looking names and commits up through one git process that stays, instead of one for each look.

A look costs a fraction of a millisecond then, not the start of a process. The process reads refs
and packs anew whenever they have changed, and ends by itself when its input is closed, which the
kernel does when we die.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from abathur.domain.errors import GitError
from abathur.infrastructure.cancellation import result_of, settle
from abathur.infrastructure.git.commands import Git

_COMMAND: Final = ("cat-file", "--batch-command", "--buffer")
_SECONDS_TO_ANSWER: Final = 60.0
"""A look takes microseconds; a disk that takes longer than this is as good as gone."""


class KeptObjects:
    """Answers one caller after another. `close` it: it holds a process."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._killed: list[asyncio.subprocess.Process] = []

    async def names(self, names: Sequence[str]) -> list[str | None]:
        """The hash of the object that each name stands for, None where there is none."""
        heads = await self._ask([f"info {name}" for name in names], with_content=False)
        return [head for head, _ in heads]

    async def parents(self, commit: str) -> tuple[str, ...]:
        """Of a full hash; nothing when it isn't a commit that is there."""
        ((_, content),) = await self._ask([f"contents {commit}"], with_content=True)
        header = content.partition(b"\n\n")[0].split(b"\n")
        return tuple(line[7:].decode() for line in header if line.startswith(b"parent "))

    async def close(self) -> None:
        async with self._turn:
            process, self._process = self._process, None
            for each in [*self._killed, *([process] if process else [])]:
                await each.communicate(b"")  # closes its input, which ends it
            self._killed.clear()

    async def _ask(
        self, questions: Sequence[str], *, with_content: bool
    ) -> list[tuple[str | None, bytes]]:
        """Raises `GitError` when git has no answer; the next question finds another process."""
        async with self._turn:
            for may_repeat in (True, False):
                process = await self._running()
                try:
                    async with asyncio.timeout(_SECONDS_TO_ANSWER):
                        return await _answers(process, questions, with_content)
                except (OSError, EOFError, ValueError, TimeoutError) as error:
                    self._kill()
                    # It may have been ended long ago by somebody who tidied up.
                    if not may_repeat:
                        raise GitError(f"`git {' '.join(_COMMAND)}` gave no answer") from error
                except asyncio.CancelledError:
                    # Half an answer would be taken for that to the next question.
                    self._kill()
                    raise
            raise AssertionError("the second time returns or raises")

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            starting = asyncio.ensure_future(self._git.start(*_COMMAND))
            try:
                await settle(starting)
            finally:
                self._process = result_of(starting)
        assert self._process is not None
        return self._process

    def _kill(self) -> None:
        """It only reads, so there is nothing that it could leave behind."""
        process, self._process = self._process, None
        if process is None:
            return
        self._killed.append(process)
        if process.returncode is None:
            process.kill()


async def _answers(
    process: asyncio.subprocess.Process, questions: Sequence[str], with_content: bool
) -> list[tuple[str | None, bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    asked = "".join(f"{question}\n" for question in [*questions, "flush"])
    process.stdin.write(asked.encode(errors="surrogateescape"))
    await process.stdin.drain()
    return [await _answer(process.stdout, with_content) for _ in questions]


async def _answer(out: asyncio.StreamReader, with_content: bool) -> tuple[str | None, bytes]:
    """`HASH TYPE SIZE`, or the name and what is wrong with it."""
    line = await out.readuntil(b"\n")
    head, _, size = line.rstrip(b"\n").rpartition(b" ")
    name, _, kind = head.rpartition(b" ")
    if not size.isdigit() or kind not in {b"commit", b"tree", b"blob", b"tag"}:
        return None, b""
    content = (await out.readexactly(int(size) + 1))[:-1] if with_content else b""
    return name.decode(), content
