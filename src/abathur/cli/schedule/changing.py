"""`abathur schedule pause`, `resume`, `remove` and `run`."""

from __future__ import annotations

import click

from abathur import bootstrap
from abathur.bootstrap import timing
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.schedule.named import in_zone, name_argument, next_times
from abathur.cli.text import clean, short


@click.command()
@name_argument
@json_option
def pause(name: str, as_json: bool) -> None:
    """Let a schedule's times pass until it is resumed; they aren't made up for."""
    from abathur.services import scheduling

    done = context.write(scheduling.pause, name, now=context.now(), actor=bootstrap.actor())
    if as_json:
        output.write_json(shapes.schedule(done, []))
    else:
        output.write(f"paused: {clean(done.name)}")


@click.command()
@name_argument
@json_option
def resume(name: str, as_json: bool) -> None:
    """End the pause of a schedule. It goes on with its next time."""
    from abathur.services import scheduling

    done = context.write(
        scheduling.resume, name, timing.next_time, now=context.now(), actor=bootstrap.actor()
    )
    if as_json:
        output.write_json(shapes.schedule(done, next_times(done)))
    elif done.next_at is not None:
        output.write(f"resumed: {clean(done.name)}; next {in_zone(done.next_at, done)}")


@click.command()
@name_argument
@json_option
def remove(name: str, as_json: bool) -> None:
    """Take a schedule away. Tasks that it has submitted stay."""
    from abathur.services import scheduling

    done = context.write(scheduling.remove, name, now=context.now(), actor=bootstrap.actor())
    if as_json:
        output.write_json(shapes.schedule(done, []))
    else:
        output.write(f"removed: {clean(done.name)}")


@click.command()
@name_argument
@json_option
def run(name: str, as_json: bool) -> None:
    """Submit a schedule's task now, and print its id. Its times stay as they are."""
    from abathur.services import scheduling

    done = context.write(
        scheduling.run,
        name,
        task_id=bootstrap.new_id(),
        now=context.now(),
        actor=bootstrap.actor(),
    )
    (task,) = done.tasks
    if as_json:
        output.write_json(shapes.task(task))
    else:
        output.write(task.id)
    if output.is_terminal():
        output.say(f"Queued {short(task.id)} ({clean(task.summary)}): {task.status}.")
