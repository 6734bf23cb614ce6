"""Project templates: taking one over, and keeping it new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abathur.domain.errors import InvalidInputError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from abathur.domain.project_templates import Installed, Step, Template


@dataclass(frozen=True, slots=True)
class Comparison:
    """A project beside a template."""

    root: Path
    installed: Installed | None
    template: Template
    steps: Sequence[Step]


async def built_in_templates() -> Sequence[Template]:
    from abathur.infrastructure.project_templates.sources import built_in_names, find_template

    return [await find_template(name, Path()) for name in built_in_names()]


async def template_for(root: Path, named: str, start: Path) -> Comparison:
    """The template beside the project. Changes nothing.

    Raises `RefusedError` when the project has another one, and what finding it raises.
    """
    from abathur.infrastructure.project_templates.installing import plan, read_record
    from abathur.infrastructure.project_templates.merging import merged
    from abathur.infrastructure.project_templates.sources import find_template

    installed = read_record(root)
    template = await find_template(named, start)
    if installed is not None and installed.name != template.name:
        raise RefusedError(
            f"this project has the template `{installed.name}`; remove .abathur/template.json to "
            f"take `{template.name}` instead, its files stay"
        )
    steps = await merged(plan(root, template, installed), installed)
    return Comparison(root, installed, template, steps)


async def newest(root: Path, ref: str | None = None) -> Comparison:
    """The project's template as its source has it now. Raises `NotFoundError`, `GitError`."""
    from abathur.infrastructure.project_templates.installing import read_record

    installed = read_record(root)
    if installed is None:
        raise NotFoundError(
            "this project has taken over no template; `abathur init --template NAME` does it"
        )
    wanted = ref or installed.ref
    named = f"{installed.source}@{wanted}" if wanted else installed.source
    return await template_for(root, named, root)


def bring(comparison: Comparison, take: Sequence[str] = ()) -> Sequence[Step]:
    """Do what was planned. Raises `InvalidInputError`, `OSError`."""
    from abathur.infrastructure.project_templates.installing import apply

    known = {step.path for step in comparison.steps}
    if unknown := [path for path in take if path not in known]:
        raise InvalidInputError(f"take: `{unknown[0]}` is no file of this template")
    return apply(comparison.root, comparison.template, comparison.steps, take)
