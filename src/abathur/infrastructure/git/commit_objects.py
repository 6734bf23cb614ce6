"""Commits as they are stored, byte by byte."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from abathur.infrastructure.git.commands import Git

_TRAILER: Final = re.compile(rb"[A-Za-z0-9-]+: .*")


@dataclass(frozen=True, slots=True)
class Commit:
    tree: str
    parents: tuple[str, ...]
    author: bytes
    """The line, with name, address and time."""
    encoding: bytes | None
    message: bytes

    @property
    def trailers(self) -> frozenset[str]:
        """The lines of the last paragraph, if all of them are trailers."""
        lines = self.message.strip().rpartition(b"\n\n")[2].splitlines()
        if not all(map(_TRAILER.fullmatch, lines)):
            return frozenset()
        return frozenset(line.decode(errors="replace") for line in lines)


async def read_objects(git: Git, names: Sequence[str]) -> list[bytes | None]:
    """The content of each, by one process; None where there is none, or it has no such name."""
    asked = ["" if "\n" in name or "\0" in name else name for name in names]
    questions = "".join(f"{name}\n" for name in asked).encode(errors="surrogateescape")
    rest = (await git.run("cat-file", "--batch", stdin=questions)).stdout
    found: list[bytes | None] = []
    for _ in names:
        head, _, rest = rest.partition(b"\n")
        words = head.split(b" ")
        if words[-1].isdigit() and len(words) == 3:
            size = int(words[-1])
            found.append(rest[:size])
            rest = rest[size + 1 :]
        else:
            found.append(None)
    return found


async def read_commits(git: Git, hashes: Sequence[str]) -> list[Commit | None]:
    """Each by its full hash; None where there is none."""
    contents = await read_objects(git, [f"{commit}^{{commit}}" for commit in hashes])
    return [None if content is None else _commit(content) for content in contents]


def _commit(content: bytes) -> Commit:
    head, _, message = content.partition(b"\n\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")  # a line that goes on begins with a space: no name
        fields.setdefault(name, []).append(value)
    return Commit(
        tree=fields[b"tree"][0].decode(),
        parents=tuple(parent.decode() for parent in fields.get(b"parent", ())),
        author=fields[b"author"][0],
        encoding=next(iter(fields.get(b"encoding", ())), None),
        message=message,
    )


async def write_commit(git: Git, commit: Commit, committer: bytes) -> str:
    """The new commit's hash. Git refuses what isn't well formed."""
    lines = [
        b"tree " + commit.tree.encode(),
        *(b"parent " + parent.encode() for parent in commit.parents),
        b"author " + commit.author,
        b"committer " + committer,
        *([b"encoding " + commit.encoding] if commit.encoding else []),
    ]
    content = b"\n".join(lines) + b"\n\n" + commit.message
    return (await git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=content)).text
