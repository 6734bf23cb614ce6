"""What a program of a task may reach, where a sandbox is configured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from abathur.domain.errors import ConfigError
from abathur.domain.sandbox import Confinement, SandboxSetting, sandbox_for
from abathur.swarm.parts import Parts


def setting_for(parts: Parts, agent_type: str) -> SandboxSetting | None:
    """From the configuration alone: a definition can't let an agent out. Raises `ConfigError`."""
    own = parts.settings.agents.get(agent_type, {}).get("sandbox")
    try:
        return sandbox_for(parts.settings.sandbox, own)
    except ValueError as error:
        raise ConfigError(f"configuration: agents.{agent_type}.sandbox: {error}") from error


async def confine(
    parts: Parts,
    setting: SandboxSetting | None,
    worktree: Path,
    branch: str | None,
    folders: Sequence[Path] = (),
) -> Confinement | None:
    """For a program in the worktree, which may commit when a branch is named.

    None without a sandbox. `folders` are its own besides. Raises `GitError`.
    """
    if setting is None:
        return None
    root = Path(parts.repository.root)
    metadata = await parts.repository.metadata(worktree, branch)
    return Confinement(
        network=setting.network,
        hidden=(root,),
        readable=(*metadata.readable, *_absolute(root, setting.readable)),
        writable=(worktree, *folders, *metadata.writable, *_absolute(root, setting.writable)),
        locked=metadata.locked,
    )


def _absolute(root: Path, paths: Sequence[str]) -> list[Path]:
    return [root / Path(path).expanduser() for path in paths]
