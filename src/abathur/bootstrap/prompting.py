"""Prompts as agents get them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.bootstrap import Project
    from abathur.infrastructure.prompts.writer import TemplateText
    from abathur.ports.prompts import PromptWriter
    from abathur.ports.stores import UnitOfWork


def prompt_writer(root: Path) -> PromptWriter:
    """With the project's templates as they are now. Raises `ConfigError`."""
    from abathur.infrastructure import paths
    from abathur.infrastructure.prompts.writer import JinjaPrompts, template_texts

    return JinjaPrompts(template_texts(paths.templates_folder(root), root))


def prompt_templates(root: Path) -> Sequence[TemplateText]:
    """Those that prompts are made of, by name. Raises `ConfigError`."""
    from abathur.infrastructure import paths
    from abathur.infrastructure.prompts.writer import template_texts

    found = template_texts(paths.templates_folder(root), root)
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True, slots=True)
class Prompt:
    task_id: str
    agent_type: str
    runtime: str
    attempt: int
    target: str
    system_prompt: str
    prompt: str
    own_templates: Sequence[str]
    """Files of the project that were used in place of built-in ones."""


async def prompt_of(project: Project, db: UnitOfWork, text: str, now: datetime) -> Prompt:
    """What the task's running or next attempt is told. Raises as the worker would."""
    from abathur.bootstrap.targets import resolve_target
    from abathur.domain.prompts import Recalled
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure import paths
    from abathur.infrastructure.definitions import read_definitions
    from abathur.infrastructure.prompts.writer import JinjaPrompts, template_texts
    from abathur.services import recalling
    from abathur.services.prompting import prompt_facts
    from abathur.services.reading import resolve_id
    from abathur.swarm.prompting import is_briefed

    task_id = await db.read(resolve_id, text)
    task = await db.read(lambda stores: stores.tasks.get(task_id))
    assert task is not None
    definitions = read_definitions(project.root).by_name
    spec = resolve_agent(project.settings, definitions, task.agent_type)
    target = await resolve_target(project, task.feature_branch)
    facts = await db.read(prompt_facts, task_id, spec, target)
    recalled = await db.read(recalling.recall, task, now=now)
    facts = replace(facts, memories=tuple(Recalled(one.source, one.text) for one in recalled))
    templates = template_texts(paths.templates_folder(project.root), project.root)
    briefed = is_briefed(spec)
    return Prompt(
        task_id=task_id,
        agent_type=spec.agent_type,
        runtime=spec.runtime,
        attempt=facts.attempt,
        target=target,
        system_prompt=spec.system_prompt,
        prompt=JinjaPrompts(templates).write(facts) if briefed else task.prompt,
        own_templates=[one.source for one in templates.values() if one.is_own] if briefed else [],
    )
