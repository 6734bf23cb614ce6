"""The secrets that this process knows, from its environment and from settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache

from abathur.domain.redaction import Redactor, environment
from abathur.domain.settings import Settings
from abathur.domain.tasks import JsonObject


@cache
def redactor() -> Redactor:
    """For what has nothing to do with a project's settings."""
    return Redactor(environment(os.environ))


def redactor_for(settings: Settings) -> Redactor:
    """Knows besides what the configuration gives agents as `env`."""
    return Redactor({*environment(os.environ), *configured(settings)})


def configured(settings: Settings) -> frozenset[str]:
    """The secrets among what the configuration gives agents as `env`."""
    return frozenset().union(*(environment(variables) for variables in _configured(settings)))


def _configured(settings: Settings) -> Iterator[Mapping[str, str]]:
    sections: list[JsonObject] = [*settings.runtimes.values(), *settings.agents.values()]
    for section in sections:
        variables = section.get("env")
        if isinstance(variables, Mapping):
            yield {str(name): str(value) for name, value in variables.items()}
