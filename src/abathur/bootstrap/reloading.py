"""The configuration of a project, read again while a swarm goes by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abathur import safeguards
from abathur.bootstrap.prompting import prompt_writer
from abathur.domain.errors import AgentUnavailableError, ConfigError

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.ports.configured import Configuration


@dataclass(frozen=True, slots=True)
class ProjectConfiguration:
    """Meets `ports.configured.ConfigurationSource`."""

    project: Project
    is_own: bool
    """Whether this program has made the repository itself, so that nobody has to trust it."""

    def stamp(self) -> object:
        from abathur.infrastructure.watched_files import stamp

        return stamp(self.project.root, self.project.env)

    async def read(self) -> Configuration:
        from abathur.infrastructure.config import load_settings
        from abathur.infrastructure.definitions import read_definitions
        from abathur.infrastructure.secrets import configured
        from abathur.ports.configured import Configuration

        root, before = self.project.root, self.stamp()
        settings = load_settings(root, self.project.env, self.project.overrides)
        definitions, prompts = read_definitions(root).by_name, prompt_writer(root)
        if not self.is_own:
            safeguards.require_trust(root, self.project.env)
        if problem := await safeguards.sandbox_problem(settings):
            raise AgentUnavailableError(problem)
        if self.stamp() != before:
            # What was agreed to has to be what was read.
            raise ConfigError("its files changed while they were read; they are read again")
        return Configuration(settings, definitions, prompts, configured(settings))
