"""Looking at commits without changing anything, and making branches of what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from abathur.domain.errors import BranchTakenError, GitError
from abathur.domain.leaks import AddedText
from abathur.infrastructure.git.added import added_text, patch_of
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import (
    HEADS,
    commit_of,
    look_up,
    make_branch,
    require_hash,
)
from abathur.ports.repository import ChangedFile, KeptCommit

KEPT: Final = "refs/abathur/"
TRAILERS: Final = ("Abathur-Task", "Abathur-Attempt")
_FORMAT: Final = "%00".join(
    (
        "%(refname)",
        "%(objectname)",
        "%(committerdate:unix)",
        "%(contents:subject)",
        # All at once: git takes the keys of two such fields together.
        "%(contents:trailers:only,unfold)",
        "",
    )
)


class Inspecting(Placed):
    async def tree(self, commit: str) -> str:
        found = (await look_up(self._git, f"{await commit_of(self._git, commit)}^{{tree}}"))[0]
        if found is None:
            raise GitError(f"commit {commit} isn't in {self._root} any more")
        return found

    async def changed_files(self, old: str, new: str) -> Sequence[ChangedFile]:
        old, new = await commit_of(self._git, old), await commit_of(self._git, new)
        options = ("--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv")
        found = await self._git.run("diff", *options, old, new, "--")
        return [_changed(field.decode(errors="replace")) for field in found.fields]

    async def added_text(self, old: str, new: str) -> Sequence[AddedText]:
        patch = await patch_of(self._git, require_hash(old), require_hash(new))
        return await asyncio.to_thread(lambda: list(added_text(patch)))

    async def count_changed(self, pairs: Sequence[tuple[str, str]]) -> Sequence[int]:
        if not pairs:
            return []
        # "COMMIT PARENT" compares the commit with that parent, whatever its real ones are.
        asked = "".join(f"{require_hash(new)} {require_hash(old)}\n" for old, new in pairs)
        options = ("--stdin", "-r", "-z", "--name-only", "--no-renames", "--always")
        answer = await self._git.run("diff-tree", *options, stdin=asked.encode())
        counts: list[int] = []
        heads = iter([new.encode() for _, new in pairs])
        head = next(heads, None)
        for field in answer.fields:
            if field == head:
                counts.append(0)
                head = next(heads, None)
            else:
                counts[-1] += 1
        return counts

    async def kept_commits(self, *folders: str) -> Sequence[KeptCommit]:
        places = [f"{KEPT}{folder}/" for folder in folders]
        options = ("--sort=refname", "--sort=committerdate", f"--format={_FORMAT}")
        listed = await self._git.run("for-each-ref", *options, *places)
        return list(_kept(listed.fields))

    async def restore_branch(self, branch: str, commit: str) -> None:
        if (await look_up(self._git, f"{HEADS}{branch}"))[0] is not None:
            raise BranchTakenError(
                f"there is a branch `{branch}` already; choose another name with --branch"
            )
        await make_branch(self._git, branch, commit)

    async def restore_worktree(self, path: Path, branch: str) -> None:
        where = str(path.absolute())
        await self._git.run("worktree", "add", "--quiet", "--", where, branch)


def _changed(field: str) -> ChangedFile:
    added, removed, path = field.split("\t", 2)
    return ChangedFile(path=path, added=_lines(added), removed=_lines(removed))


def _lines(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _kept(fields: Sequence[bytes]) -> Iterator[KeptCommit]:
    """Records end with a newline after their last NUL."""
    texts = [field.decode(errors="replace") for field in fields]
    for start in range(0, len(texts) - 4, 5):
        ref, commit, seconds, subject, trailers = texts[start : start + 5]
        yield KeptCommit(
            ref=ref.lstrip("\n"),
            commit=commit,
            committed_at=datetime.fromtimestamp(int(seconds), UTC),
            subject=subject,
            trailers=dict(_trailers(trailers)),
        )


def _trailers(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key in TRAILERS:
            yield key, value.strip()
