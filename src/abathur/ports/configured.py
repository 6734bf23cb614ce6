"""Where a swarm's configuration comes from, for one that runs while it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from abathur.domain.agents import AgentSpec
from abathur.domain.settings import Settings
from abathur.domain.specs import AgentDefinition, resolve_agent
from abathur.ports.prompts import PromptWriter


@dataclass(slots=True)
class Configuration:
    """What a swarm goes by at the moment. Shared; its parts are put in their place together."""

    settings: Settings
    definitions: Mapping[str, AgentDefinition]
    prompts: PromptWriter
    secrets: frozenset[str] = frozenset()
    """Values in the settings that nobody may see."""

    def resolve(self, agent_type: str) -> AgentSpec:
        """Raises `ConfigError`."""
        return resolve_agent(self.settings, self.definitions, agent_type)


class ConfigurationSource(Protocol):
    def stamp(self) -> object:
        """Another one when a file that counts was changed; costs a look at each, and no reading."""
        ...

    async def read(self) -> Configuration:
        """As the files are now.

        Raises `ConfigError`, `UntrustedError` when a person has to agree to them first, and
        `AgentUnavailableError` when agents couldn't be confined as they say.
        """
        ...
