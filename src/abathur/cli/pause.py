"""`abathur pause` and `abathur resume`: keep tasks from being started, and let them go again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from abathur import bootstrap
from abathur.bootstrap.targets import check_branch
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.task.ids import complete
from abathur.cli.text import clean, local
from abathur.domain.admission import Hold, HoldCause, HoldScope

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.ports.stores import Stores

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Scope:
    """What was named on the command line; a task as it was typed."""

    kind: HoldScope
    name: str = ""

    def resolved(self, stores: Stores) -> str:
        from abathur.services.reading import resolve_id

        return resolve_id(stores, self.name) if self.kind is HoldScope.TASK else self.name


@dataclass(frozen=True, slots=True)
class Paused:
    hold: Hold
    at_work: int
    """Agents in its scope that go on."""


def scope_options(command: F) -> F:
    options = (
        click.option("--target", metavar="BRANCH", help="Only what lands on this branch."),
        click.option("--task", "task_id", metavar="ID", shell_complete=complete, help="Only it."),
        click.option("--agent-type", metavar="NAME", help="Only tasks for this kind of agent."),
        click.option("--host", metavar="NAME", help="Only what this machine would start."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@scope_options
@click.option("--reason", default="", metavar="TEXT", help="Told wherever somebody asks why.")
@click.option("--until", metavar="TIME", help="It ends by itself then: 2030-01-31T18:00Z, +2h.")
@json_option
def pause(
    target: str | None,
    task_id: str | None,
    agent_type: str | None,
    host: str | None,
    reason: str,
    until: str | None,
    as_json: bool,
) -> None:
    """Start no further agents: for everything, or for a target, a task, an agent type or a host.

    Agents that are at work go on, and finished work lands. On a paused target nothing lands
    either. Paused tasks keep their place and spend nothing. `abathur resume` ends it.
    """
    scope = _scope(target, task_id, agent_type, host)
    done = context.run(_pause, scope, reason, _until(until))
    if as_json:
        output.write_json(shapes.hold(done.hold))
        return
    output.write(_sentence(done))


@click.command()
@scope_options
@click.option("--all", "everywhere", is_flag=True, help="End every hold that there is.")
@json_option
def resume(
    target: str | None,
    task_id: str | None,
    agent_type: str | None,
    host: str | None,
    everywhere: bool,
    as_json: bool,
) -> None:
    """End a pause, or another hold: of everything, or of a target, a task, an agent type or a host.

    Prints what was ended. A hold whose cause is still there, like a full disk, comes back.
    """
    scope = _scope(target, task_id, agent_type, host)
    if everywhere and scope.name:
        raise click.UsageError("--all ends every hold, so nothing else can be named with it")
    done, left = context.write(
        _resume, None if everywhere else scope, context.now(), bootstrap.actor()
    )
    if as_json:
        output.write_json([shapes.hold(hold) for hold in done])
        return
    output.write_lines([f"resumed: {_named(hold)}" for hold in done] or ["nothing was held there"])
    for hold in left:
        output.say(f"still held: {_told(hold)}")


def _scope(
    target: str | None, task_id: str | None, agent_type: str | None, host: str | None
) -> Scope:
    named = [
        Scope(kind, name)
        for kind, name in (
            (HoldScope.TARGET, target),
            (HoldScope.TASK, task_id),
            (HoldScope.AGENT_TYPE, agent_type),
            (HoldScope.HOST, host),
        )
        if name is not None
    ]
    if len(named) > 1 or any(not scope.name.strip() for scope in named):
        raise click.UsageError(
            "name one of --target, --task, --agent-type and --host, or none of them"
        )
    return named[0] if named else Scope(HoldScope.EVERYTHING)


def _until(text: str | None) -> datetime | None:
    from abathur.domain.times import parse_time

    return None if text is None else parse_time(text, "until", context.now())


async def _pause(scope: Scope, reason: str, until: datetime | None) -> Paused:
    found = context.queue()
    if scope.kind is HoldScope.TARGET:
        await check_branch(found, scope.name)
    async with context.opened(found) as db:
        return await db.write(_pause_now, scope, reason, until, context.now(), bootstrap.actor())


def _pause_now(
    stores: Stores, scope: Scope, reason: str, until: datetime | None, now: datetime, actor: str
) -> Paused:
    from abathur.services.pausing import pause as begin

    wanted = Hold(
        id=bootstrap.new_id(),
        scope=scope.kind,
        name=scope.resolved(stores),
        cause=HoldCause.PERSON,
        reason=reason,
        hold_until=until,
        created_by=actor,
        created_at=now,
    )
    hold = begin(stores, wanted)
    at_work = [task for task in stores.admission.running() if task.host and hold.covers(task)]
    return Paused(hold, len(at_work))


def _resume(
    stores: Stores, scope: Scope | None, now: datetime, actor: str
) -> tuple[Sequence[Hold], Sequence[Hold]]:
    """What was ended, and what else is held."""
    from abathur.services import pausing

    if scope is None:
        done = pausing.resume_all(stores, now=now, actor=actor)
    else:
        done = pausing.resume(stores, scope.kind, scope.resolved(stores), now=now, actor=actor)
    return done, [hold for hold in stores.admission.holds() if hold.is_active(now)]


def _sentence(done: Paused) -> str:
    at_work = "no agent is at work there"
    if done.at_work:
        at_work = f"agents at work there go on: {done.at_work}"
    lands = "nothing lands there meanwhile" if done.hold.stops_landing else "finished work lands"
    return f"paused: {_named(done.hold)}; {at_work}; {lands}"


def _named(hold: Hold) -> str:
    what = "everything" if not hold.name else f"{hold.scope.replace('_', ' ')} {clean(hold.name)}"
    return what if hold.hold_until is None else f"{what} (until {local(hold.hold_until)})"


def _told(hold: Hold) -> str:
    reason = f": {clean(hold.reason)}" if hold.reason else ""
    return f"{_named(hold)}, because of {hold.cause} ({hold.created_by}){reason}"
