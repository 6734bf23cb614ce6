"""A commit of everything in a worktree, made while an agent may still write to it.

Nothing of the worktree is touched: neither its index nor its branch, nor a lock. Repositories
inside are left out; `commit_leftovers`, when no process lives any more, keeps their files too.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from abathur.domain.errors import GitError
from abathur.infrastructure.git.leftovers import add_all, links_inside
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import look_up
from abathur.infrastructure.git.status import status_of
from abathur.infrastructure.git.worktree_list import linked_record


class Snapshots(Placed):
    async def snapshot(self, path: Path, message: str) -> str | None:
        record = linked_record(self._common, path)
        if record is None:
            raise GitError(f"{path} isn't a worktree of {self._root}")
        git = self._git.at(path)
        found = await status_of(git)
        if not found.changes:
            return found.head
        index = record / f"abathur-snapshot-{os.getpid()}"
        env = {"GIT_INDEX_FILE": str(index)}
        try:
            if (record / "index").exists():
                shutil.copyfile(record / "index", index)
            inside = {*found.repositories_inside, *await links_inside(git, record)}
            await add_all(git, without=inside, env=env)
            tree = (await git.run("write-tree", env=env)).text
        finally:
            index.unlink(missing_ok=True)
            index.with_name(f"{index.name}.lock").unlink(missing_ok=True)
        parents = ("-p", found.head) if found.head else ()
        if found.head and (await look_up(git, f"{found.head}^{{tree}}"))[0] == tree:
            return found.head
        text = message.encode(errors="replace")
        made = await self._git.commit("commit-tree", tree, *parents, "-F", "-", stdin=text)
        return made.text
