"""What a program of a task may reach, where a sandbox is configured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from abathur.domain.agents import AgentSpec
from abathur.domain.errors import ConfigError
from abathur.domain.sandbox import Confinement, SandboxSetting, sandbox_for, tightened
from abathur.swarm.parts import Parts


def setting_for(parts: Parts, spec: AgentSpec) -> SandboxSetting | None:
    """From the configuration; a definition can only tighten it. Raises `ConfigError`."""
    own = parts.settings.agents.get(spec.agent_type, {}).get("sandbox")
    try:
        return tightened(sandbox_for(parts.settings.sandbox, own), spec.settings.get("sandbox"))
    except ValueError as error:
        raise ConfigError(f"configuration: agents.{spec.agent_type}.sandbox: {error}") from error


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
