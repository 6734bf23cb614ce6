"""Agent types that nobody described: tasks may name them, but most are slips of the pen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.tasks import JsonObject


def warn_of_strangers(
    project: Project, agent_types: Iterable[str], loops: Iterable[JsonObject | None] = ()
) -> None:
    """Say on stderr which of the agent types will get the default runtime and nothing else.

    Those that judge in the loops are among them.
    """
    judges = [name for loop in loops if loop is not None for name in _judges(loop)]
    for name in bootstrap.unknown_agents(project, [*agent_types, *judges]):
        output.say(
            f"no agent type `{clean(name)}` is defined or configured: it will run with the default "
            f"runtime, {project.settings.default_runtime}, and no instructions of its own"
        )


def _judges(loop: JsonObject) -> Iterable[str]:
    from abathur.bootstrap.loops import judges_of

    return judges_of(loop)
