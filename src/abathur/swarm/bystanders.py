"""The working trees in which somebody has the target checked out while it moves on."""

from __future__ import annotations

import shlex
from pathlib import Path

from abathur.domain.errors import GitError
from abathur.ports.stores import Stores
from abathur.swarm.parts import Parts


async def bring_along(parts: Parts, target: str, old: str, new: str) -> dict[str, str]:
    """Move the clean ones from `old` to `new`; of the others: path -> the commit it stands at.

    Never raises for what can be wrong with somebody's working tree: the target has moved already.
    """
    behind = await parts.db.read(left_behind, target)
    left: dict[str, str] = {}
    for path in await parts.repository.checked_out(target):
        try:
            moved = await parts.repository.bring_along(path, old, new)
        except (GitError, OSError):
            moved = False
        if not moved and not await _is_there(parts, target, path, new):
            # Left before, it stands where it was left first. Naming an older commit than it
            # stands at does no harm: what it has already is merged with itself.
            left[str(path)] = behind.get(str(path), old)
    return left


async def _is_there(parts: Parts, target: str, path: Path, new: str) -> bool:
    """Somebody may have died between bringing the tree along and writing that the work landed."""
    trees = await parts.repository.checkouts(target, new)
    return any(tree.path == path and not tree.is_dirty for tree in trees)


def left_behind(stores: Stores, target: str) -> dict[str, str]:
    """Working trees that the newest landing on the target left alone: path -> commit."""
    ended = stores.landings.recent(100)
    newest = next((one for one in ended if one.target == target and one.proof), None)
    return dict((newest.facts or {}).get("left_behind", {})) if newest else {}


def told(path: str, target: str, commit: str) -> str:
    """What to say of one that was left alone, with the commands that bring it up to date."""
    git = f"git -C {shlex.quote(path)}"
    return (
        f"the working tree {path} has uncommitted changes and was left as it is; to catch up: "
        f"{git} update-ref --no-deref HEAD {commit[:12]} && "
        f"{git} checkout --merge {shlex.quote(target)}"
    )
