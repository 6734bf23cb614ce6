"""`abathur init`: a queue for this repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.bootstrap import Project
from abathur.cli import output
from abathur.cli.context import app, json_option, run
from abathur.cli.text import clean
from abathur.domain.project_templates import Change
from abathur.domain.protection import allowing
from abathur.domain.settings import Settings

if TYPE_CHECKING:
    from abathur.bootstrap.templates import Comparison

NEXT_STEPS = (
    ("abathur doctor", "check that the agents' programs are there"),
    ('abathur task submit "Say what shall be done"', "queue a task"),
    ("abathur swarm start --until-idle", "work until every task has landed"),
)

NEWS = frozenset({Change.ADD, Change.UPDATE, Change.REMOVE, Change.MERGE, Change.CONFLICT})


@dataclass(frozen=True, slots=True)
class Initialized:
    root: Path
    made: tuple[Path, ...]
    target: str | None
    """The branch that is checked out."""
    is_allowed: bool
    """Whether work may land there."""
    template: Comparison | None = None
    """What was taken over."""


@click.command()
@click.option(
    "--template",
    "named",
    metavar="NAME|PATH|URL[@REF]",
    help="Take over a set of agents: a built-in one (`software`), a folder or a git repository.",
)
@json_option
def init(named: str | None, as_json: bool) -> None:
    """Set up a queue in this git repository.

    Makes the folder `.abathur` in the main working tree, with a configuration to fill in and the
    database. Once more does no harm: what is there stays, a template too, which `abathur template
    update` brings up to date. `abathur template list` shows the
    built-in templates; what another one brings is run only after `abathur trust`.
    """
    done = run(_init, app().start.resolve(), app().database, named)
    if as_json:
        output.write_json(_plain(done))
    else:
        output.write_lines(_lines(done))


async def _init(start: Path, database: Path | str | None, named: str | None) -> Initialized:
    # From within a worktree this is the main folder; without a commit it's an error.
    repository = await bootstrap.open_repository(start)
    # One that isn't there is told before anything is made.
    template = await _template(repository.root, named, start) if named else None
    queue = database or bootstrap.find_database(repository.root)
    if not isinstance(queue, Path) or queue.exists():
        # One that can't be used is told before anything is made beside it.
        found = Project(repository.root, Settings(), queue)
        async with bootstrap.open_database(found, may_migrate=True):
            pass
    target = await repository.current_branch()
    # Whoever sets up a queue on a protected branch wants it to land there; it stands in the file,
    # for everybody to see.
    is_protected = target is not None and not Settings().is_allowed(target)
    made = list(bootstrap.make_project_files(repository.root, target if is_protected else None))
    project = bootstrap.load_project(repository.root, database=database)
    if isinstance(project.database, Path) and not project.database.exists():
        made.append(project.database)
    async with bootstrap.open_database(project):
        pass
    if template is not None and template.installed is None:
        made += _taken_over(template)
    is_allowed = target is None or project.settings.is_allowed(target)
    return Initialized(project.root, tuple(made), target, is_allowed, template)


async def _template(root: Path, named: str, start: Path) -> Comparison:
    from abathur.bootstrap.templates import template_for

    return await template_for(root, named, start)


def _taken_over(template: Comparison) -> list[Path]:
    from abathur.bootstrap.templates import bring

    return [template.root / step.path for step in bring(template) if step.change.writes]


def _plain(done: Initialized) -> dict[str, object]:
    return {
        "root": str(done.root),
        "created": [str(path) for path in done.made],
        "target": done.target,
        "target_allowed": done.is_allowed,
        "unchanged": not done.made,
        "template": done.template.template.name if done.template else None,
    }


def _lines(done: Initialized) -> list[str]:
    if not done.made:
        return [
            f"{clean(str(done.root))} is set up already; nothing was changed",
            *_target(done),
            *_kept(done),
        ]
    wide = max(len(command) for command, _ in NEXT_STEPS)
    return [
        f"set up a queue in {clean(str(done.root))}",
        *(f"  made {clean(_short(path, done.root))}" for path in done.made),
        *_target(done),
        *_kept(done),
        "",
        "next:",
        *(f"  {command:{wide}}  # {what}" for command, what in NEXT_STEPS),
    ]


def _kept(done: Initialized) -> list[str]:
    """What of a template wasn't taken over."""
    if done.template is None:
        return []
    if (installed := done.template.installed) is not None:
        new, ref = done.template.template.version, done.template.template.ref
        told = f"the template `{clean(installed.name)}` {clean(installed.version)} is here already"
        if not any(step.change in NEWS for step in done.template.steps):
            return [told]
        command = f"abathur template update {ref}" if ref else "abathur template update"
        return [f"{told}; `{clean(command)}` takes over what {clean(new)} has new"]
    kept = [step.path for step in done.template.steps if step.change is Change.CONFLICT]
    left = done.template.template.left_out
    return [
        *(f"  {clean(path)} was there already and stayed as it is" for path in kept),
        *(f"  {clean(path)} of the template was left out" for path in left),
    ]


def _target(done: Initialized) -> list[str]:
    if done.target is None or Settings().is_allowed(done.target):
        return []
    target = clean(done.target)
    if done.is_allowed:
        return [f"finished work may land on `{target}`: see `targets` in .abathur/config.yaml"]
    return [f"`{target}` is protected; `{allowing(target)}` in the configuration allows it"]


def _short(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
