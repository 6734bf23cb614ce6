"""Looking names and commits up through one git process that stays, instead of one for each look.

The process reads refs and packs anew whenever they have changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.kept import KeptProcess

_COMMAND: Final = ("cat-file", "--batch-command", "--buffer")


class KeptObjects:
    """Answers one caller after another. `close` it: it holds a process."""

    def __init__(self, git: Git) -> None:
        self._process = KeptProcess(git, *_COMMAND)
        self.start, self.close = self._process.start, self._process.close

    async def names(self, names: Sequence[str]) -> list[str | None]:
        """The hash of the object that each name stands for, None where there is none."""
        heads = await self._ask([f"info {name}" for name in names], with_content=False)
        return [head for head, _ in heads]

    async def parents(self, commits: Sequence[str]) -> list[tuple[str, ...] | None]:
        """Of full hashes; None for what isn't there."""
        found = await self._ask([f"contents {commit}" for commit in commits], with_content=True)
        return [None if name is None else _parents(content) for name, content in found]

    async def _ask(
        self, questions: Sequence[str], *, with_content: bool
    ) -> list[tuple[str | None, bytes]]:
        async def exchange(process: asyncio.subprocess.Process) -> list[tuple[str | None, bytes]]:
            return await _answers(process, questions, with_content)

        return await self._process.ask(exchange)


def _parents(commit: bytes) -> tuple[str, ...]:
    header = commit.partition(b"\n\n")[0].split(b"\n")
    return tuple(line[7:].decode() for line in header if line.startswith(b"parent "))


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
