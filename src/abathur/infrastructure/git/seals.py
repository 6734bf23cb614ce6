"""Letting go of seals: of moves that were withdrawn, and that nobody is left to make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from abathur.domain.errors import GitError
from abathur.domain.landing import WORK_TRAILER
from abathur.infrastructure.git.commit_objects import read_commits
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.refs import WITHDRAWN
from abathur.infrastructure.git.revisions import is_hash, look_up, require_branch, require_hash

_TRAILER: Final = f"{WORK_TRAILER}: "


class Seals(Placed):
    async def is_seal_alone(self, commit: str) -> bool:
        works = await self._works(require_hash(commit))
        if not works or None in await look_up(self._git, *(f"{w}^{{commit}}" for w in works)):
            return True
        # Of an option for refs, `--exclude` is the one that has to come before it.
        others = ("--not", f"--exclude={WITHDRAWN}*", "--all")
        return bool((await self._git.run("rev-list", "--max-count=1", *works, *others)).text)

    async def _works(self, commit: str) -> Sequence[str]:
        """The work commits that the merge brings: what it is made of, and the target isn't."""
        made = (await read_commits(self._git, [commit]))[0]
        if made is None:
            return ()
        named = [line.removeprefix(_TRAILER) for line in made.trailers if line.startswith(_TRAILER)]
        return [work for work in named if is_hash(work)] or made.parents[1:]

    async def drop_seal(self, ref: str, commit: str) -> None:
        if not ref.startswith(WITHDRAWN):
            raise GitError(f"`{ref}` isn't the seal of a withdrawn move")
        if (await look_up(self._git, f"{ref}^{{commit}}"))[0] is None:
            return
        if await self.is_seal_alone(commit):
            raise GitError(f"{ref} isn't deleted: no other ref keeps the work in {commit[:12]}")
        order = f"delete {require_branch(ref)}\0{require_hash(commit)}\0"
        await self._git.run("update-ref", "--stdin", "-z", stdin=order.encode())
