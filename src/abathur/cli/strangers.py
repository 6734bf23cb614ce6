"""Agent types that nobody described: tasks may name them, but most are slips of the pen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.bootstrap import Project


def warn_of_strangers(project: Project, agent_types: Iterable[str]) -> None:
    """Say on stderr which of the agent types will get the default runtime and nothing else."""
    for name in bootstrap.unknown_agents(project, agent_types):
        output.say(
            f"no agent type `{clean(name)}` is defined or configured: it will run with the default "
            f"runtime, {project.settings.default_runtime}, and no instructions of its own"
        )
