"""`abathur task submit`: from options to a task in the queue."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from abathur import bootstrap
from abathur.bootstrap.definitions import as_defined
from abathur.bootstrap.targets import resolve_target
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.strangers import warn_of_strangers
from abathur.cli.task.ids import complete
from abathur.cli.text import clean, short
from abathur.domain.errors import InvalidInputError
from abathur.domain.tasks import (
    DEFAULT_AGENT_TYPE,
    DEFAULT_MAX_RETRIES,
    DEFAULT_PRIORITY,
    NewTask,
    TaskSource,
)
from abathur.domain.times import parse_duration, parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.ports.stores import Stores
    from abathur.services.submitting import Submitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line as it was typed."""

    prompt: str
    summary: str
    agent_type: str
    priority: int
    source: str
    parent: str | None
    prerequisite: tuple[str, ...]
    deadline: str | None
    not_before: str | None
    estimate: str | None
    max_retries: int
    timeout: str
    input_data: str | None
    input_file: Path | None
    target: str | None
    budget: float | None
    idempotency_key: str | None
    touches: tuple[str, ...]
    allow_overlap: bool


@click.command()
@click.argument("prompt", metavar="PROMPT|-")
@click.option("--summary", default="", help="One line about it.  [default: from the prompt]")
@click.option("--agent-type", default=DEFAULT_AGENT_TYPE, show_default=True, metavar="NAME")
@click.option(
    "--priority", type=int, default=DEFAULT_PRIORITY, show_default=True, help="0 to 10, 10 first."
)
@click.option(
    "--source",
    type=click.Choice([source.value for source in TaskSource]),
    default=TaskSource.HUMAN.value,
    show_default=True,
    help="Who asks for it.",
)
@click.option("--parent", metavar="ID", shell_complete=complete, help="It is a part of that task.")
@click.option(
    "-p",
    "--prerequisite",
    multiple=True,
    metavar="ID",
    shell_complete=complete,
    help="Wait for that task; may be given several times.",
)
@click.option("--deadline", metavar="TIME", help="When it should be done: 2030-01-31T18:00Z, +2h.")
@click.option("--not-before", metavar="TIME", help="Don't start it earlier: as --deadline.")
@click.option("--estimate", metavar="DURATION", help="How long it will take: 90, 10m, 1h30m.")
@click.option(
    "--max-retries",
    type=int,
    default=DEFAULT_MAX_RETRIES,
    show_default=True,
    help="Further attempts after one that failed.",
)
@click.option(
    "--timeout", metavar="DURATION", default="1h", show_default=True, help="Of one attempt."
)
@click.option("--input-data", metavar="JSON", help="An object with more for the agent.")
@click.option(
    "--input-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The same, from a file.",
)
@click.option(
    "--target",
    "--feature-branch",
    metavar="BRANCH",
    help="Where its work lands.  [default: the configured branch, else the current one]",
)
@click.option(
    "--touches",
    multiple=True,
    metavar="PATTERN",
    help="Paths that it will change, like `docs/` or `src/**/*.py`; may be given several times. "
    "Tasks that touch the same aren't run at once.",
)
@click.option("--allow-overlap", is_flag=True, help="Run it beside others that touch the same.")
@click.option(
    "--budget", type=click.FloatRange(min=0), metavar="USD", help="The most that it may cost."
)
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
    warn_of_strangers(project, [new.agent_type])
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
    estimate, deadline, later = options.estimate, options.deadline, options.not_before
    return NewTask(
        prompt=_prompt(options.prompt),
        summary=options.summary,
        agent_type=options.agent_type,
        priority=options.priority,
        source=TaskSource(options.source),
        deadline=None if deadline is None else parse_time(deadline, "deadline", now),
        not_before=None if later is None else parse_time(later, "not-before", now),
        estimated_duration_seconds=None
        if estimate is None
        else parse_duration(estimate, "estimate"),
        max_retries=options.max_retries,
        max_execution_timeout_seconds=parse_duration(options.timeout, "timeout"),
        input_data=_input_data(options),
        idempotency_key=_key(options.idempotency_key),
        created_by=bootstrap.actor(),
        touches=options.touches,
        may_overlap=options.allow_overlap,
    )


def _prompt(text: str) -> str:
    whole = _stdin() if text == "-" else text
    if "\0" in whole:
        raise InvalidInputError("prompt: it has a NUL character, so it is no text; remove it")
    return whole


def _stdin() -> str:
    data: bytes = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"prompt: stdin isn't UTF-8 text (byte {error.start}); convert it first"
        ) from error


def _key(text: str | None) -> str | None:
    if text is not None and not text.strip():
        raise InvalidInputError("idempotency-key: it is empty; give a name or leave it out")
    return text


def _input_data(options: Options) -> dict[str, Any]:
    if options.input_data is not None and options.input_file is not None:
        raise click.UsageError("--input-data and --input-file exclude each other")
    if options.input_file is not None:
        return _json_object(options.input_file.read_bytes(), f"input-file {options.input_file}")
    if options.input_data is not None:
        return _json_object(options.input_data, "input-data")
    return {}


def _json_object(text: str | bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f'{name}: it isn\'t JSON ({error}); write an object like {{"key": 1}}'
        ) from error
    if not isinstance(value, dict):
        raise InvalidInputError(f'{name}: a JSON object is needed, like {{"key": 1}}')
    return value


def _refuse_constant(name: str) -> Sequence[object]:
    raise ValueError(f"{name} is no JSON number")
