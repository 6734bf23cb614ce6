"""What both sides did that can't be merged, for whoever has to bring it together."""

from __future__ import annotations

from collections.abc import Sequence

from abathur.domain.conflicts import MAX_COMMITS, MAX_PATHS, BothSides, Side, hunks
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.commit_objects import read_objects
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import require_hash
from abathur.ports.repository import Conflict


class Conflicts(Placed):
    async def both_sides(self, conflict: Conflict, work: str) -> BothSides:
        git, onto = self._git, require_hash(conflict.onto)
        found = await git.run("merge-base", onto, require_hash(work), codes=(0, 1))
        base = found.text.partition("\n")[0] or None
        paths = conflict.paths[:MAX_PATHS]
        return BothSides(
            base=base,
            target_commits=await _commits(git, base, onto, paths),
            work_commits=await _commits(git, base, work, paths),
            hunks=hunks(await self._texts(conflict.tree, paths)),
        )

    async def commits_beyond(self, tip: str, commit: str) -> Sequence[Side]:
        return await _commits(self._git, require_hash(tip), require_hash(commit), ())

    async def _texts(self, tree: str | None, paths: Sequence[str]) -> dict[str, str]:
        """The merged files, with git's conflict markers in them; binary ones are left out."""
        if tree is None:
            return {}
        contents = await read_objects(self._git, [f"{require_hash(tree)}:{path}" for path in paths])
        return {
            path: content.decode(errors="replace")
            for path, content in zip(paths, contents, strict=True)
            if content is not None and b"\0" not in content
        }


async def _commits(git: Git, base: str | None, tip: str, paths: Sequence[str]) -> Sequence[Side]:
    """Those since the base that touched the paths, the newest first."""
    since = [f"^{base}"] if base else []
    wanted = [f":(literal,top){path}" for path in paths]
    listed = await git.run(
        "rev-list",
        f"--max-count={MAX_COMMITS}",
        "--no-commit-header",
        "--format=%H %s",
        tip,
        *since,
        "--",
        *wanted,
    )
    lines = listed.stdout.decode(errors="replace").splitlines()
    return [Side(*line.partition(" ")[::2]) for line in lines]
