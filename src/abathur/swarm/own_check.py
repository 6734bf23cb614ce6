"""The check that an agent type brings along, beside the gates of its target."""

from __future__ import annotations

from abathur.domain.agents import AgentSpec
from abathur.domain.settings import CommandSetting


def own_check(spec: AgentSpec) -> CommandSetting | None:
    """A text is for the shell, as in the configuration."""
    given = spec.settings.get("verify")
    if not given:
        return None
    return CommandSetting(argv=("sh", "-c", given) if isinstance(given, str) else tuple(given))
