"""`abathur task submit`: from options to a task in the queue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from abathur import bootstrap
from abathur.bootstrap.definitions import as_defined
from abathur.bootstrap.targets import resolve_target
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.strangers import warn_of_strangers
from abathur.cli.task.described import Described, task_options
from abathur.cli.task.ids import complete
from abathur.cli.text import clean, short
from abathur.domain.errors import InvalidInputError
from abathur.domain.tasks import NewTask, TaskSource
from abathur.domain.times import parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.ports.stores import Stores
    from abathur.services.submitting import Submitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Described):
    """The command line as it was typed."""

    source: str
    parent: str | None
    deadline: str | None
    not_before: str | None
    idempotency_key: str | None


@click.command()
@click.argument("prompt", metavar="PROMPT|-")
@task_options
@click.option(
    "--source",
    type=click.Choice([source.value for source in TaskSource]),
    default=TaskSource.HUMAN.value,
    show_default=True,
    help="Who asks for it.",
)
@click.option("--parent", metavar="ID", shell_complete=complete, help="It is a part of that task.")
@click.option("--deadline", metavar="TIME", help="When it should be done: 2030-01-31T18:00Z, +2h.")
@click.option("--not-before", metavar="TIME", help="Don't start it earlier: as --deadline.")
@click.option("--idempotency-key", metavar="TEXT", help="Submit at most once under this key.")
@json_option
def submit(as_json: bool, **typed: Any) -> None:
    """Put a task into the queue and print its id. `-` reads the prompt from stdin."""
    options = Options(**typed)
    done = context.run(_submit, _new_task(options), options)
    if as_json:
        output.write_json(shapes.submitted(done))
    else:
        output.write(done.task.id)
    if output.is_terminal():
        output.say(_sentence(done))


def _sentence(done: Submitted) -> str:
    name = f"{short(done.task.id)} ({clean(done.task.summary)})"
    if not done.created:
        return f"Known already by its idempotency key: {name}, {done.task.status}."
    return f"Queued {name}: {done.task.status}, lands on {done.task.feature_branch}."


async def _submit(new: NewTask, options: Options) -> Submitted:
    project = context.project()
    new = replace(new, feature_branch=await resolve_target(project, options.target))
    new = replace(new, loop=options.refined(project))
    warn_of_strangers(project, [new.agent_type], [new.loop])
    (new,) = as_defined(project, [new])
    async with context.opened(project) as db:
        return await db.write(
            _submit_resolved,
            new,
            options,
            task_id=bootstrap.new_id(),
            now=context.now(),
            actor=bootstrap.actor(),
        )


def _submit_resolved(
    stores: Stores, new: NewTask, options: Options, *, task_id: str, now: datetime, actor: str
) -> Submitted:
    from abathur.services.reading import resolve_id
    from abathur.services.submitting import submit as submit_task

    whole = replace(
        new,
        prerequisites=tuple(resolve_id(stores, text) for text in options.prerequisite),
        parent_task_id=resolve_id(stores, options.parent) if options.parent else None,
    )
    done = submit_task(stores, whole, task_id=task_id, now=now, actor=actor)
    if options.budget is not None and done.created:
        from abathur.services.budgeting import set_task_budget

        set_task_budget(stores, done.task.id, options.budget, now=now, actor=actor)
    return done


# --- from text to values ------------------------------------------------------------------


def _new_task(options: Options) -> NewTask:
    """All that can be checked without a project."""
    now = context.now()
    deadline, later = options.deadline, options.not_before
    return NewTask(
        **options.values(),
        source=TaskSource(options.source),
        deadline=None if deadline is None else parse_time(deadline, "deadline", now),
        not_before=None if later is None else parse_time(later, "not-before", now),
        idempotency_key=_key(options.idempotency_key),
        created_by=bootstrap.actor(),
    )


def _key(text: str | None) -> str | None:
    if text is not None and not text.strip():
        raise InvalidInputError("idempotency-key: it is empty; give a name or leave it out")
    return text
