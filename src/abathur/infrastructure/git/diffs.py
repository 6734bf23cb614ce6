"""What differs between two commits, asked of processes that stay, one for each way of telling it.

`git diff-tree --stdin` says again what isn't a hash, and hands over all that it has said by then:
so a mark after the question ends the answer.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.kept import KeptProcess

_ASKED: Final = ("diff-tree", "--stdin", "--always", "-r")
_CHUNK: Final = 1 << 20
_MOST_ANSWERS: Final = 1000
"""Of one process, which forgets no commit that it has seen."""


class KeptDiffs:
    """Answers one caller after another. `close` it: it holds processes."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._processes: dict[tuple[str, ...], KeptProcess] = {}

    async def between(
        self, old: str, new: str, options: tuple[str, ...], limit: int | None
    ) -> bytes:
        question = f"{new} {old}\n".encode()
        mark = f"end {secrets.token_hex(16)}\n".encode()

        async def exchange(process: asyncio.subprocess.Process) -> tuple[bytes, bool]:
            return await _exchange(process, question, mark, limit)

        kept = self._kept(options)
        answer, is_whole = await kept.ask(exchange)
        if not is_whole:
            kept.kill()
        # It passes over what it doesn't know, and names what it does.
        if not answer.startswith(new.encode()):
            raise GitError(f"commit {new} isn't in {self._git.folder} any more")
        return answer[len(new) + 1 :]

    async def start(self, options: tuple[str, ...]) -> None:
        """Have the process ready that tells it in this way."""
        await self._kept(options).start()

    def _kept(self, options: tuple[str, ...]) -> KeptProcess:
        if options not in self._processes:
            self._processes[options] = KeptProcess(
                self._git, *_ASKED, *options, most_answers=_MOST_ANSWERS
            )
        return self._processes[options]

    async def close(self) -> None:
        for process in self._processes.values():
            await process.close()


async def diff_tree(git: Git, old: str, new: str, *options: str, limit: int | None = None) -> bytes:
    """What `git diff-tree -r OPTIONS OLD NEW` prints, or its first bytes, up to the limit.

    Both are full hashes of commits. Raises `GitError` when one of them isn't there.
    """
    if git.diffs is not None:
        return await git.diffs.between(old, new, options, limit)
    if limit is None:
        return (await git.run("diff-tree", "-r", *options, old, new, "--")).stdout
    return await _beginning(await git.start("diff-tree", "-r", *options, old, new, "--"), limit)


async def _beginning(process: asyncio.subprocess.Process, limit: int) -> bytes:
    assert process.stdout is not None
    parts: list[bytes] = []
    room = limit
    try:
        while room > 0 and (part := await process.stdout.read(min(room, _CHUNK))):
            parts.append(part)
            room -= len(part)
    finally:
        if room <= 0 and process.returncode is None:
            process.kill()  # it only reads, and so has no lock to leave behind
        await asyncio.shield(process.communicate())
    if room > 0 and process.returncode:
        raise GitError(f"`git diff-tree` ended with exit code {process.returncode}")
    return b"".join(parts)


async def _exchange(
    process: asyncio.subprocess.Process, question: bytes, mark: bytes, limit: int | None
) -> tuple[bytes, bool]:
    """The answer, and whether it is the whole one."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(question + mark)
    await process.stdin.drain()
    answer = bytearray()
    while not answer.endswith(mark):
        if limit is not None and len(answer) > limit + len(question):
            return bytes(answer[:limit]), False
        part = await process.stdout.read(_CHUNK)
        if not part:
            raise EOFError
        answer += part
    return bytes(answer[: -len(mark)]), True
