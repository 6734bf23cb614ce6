"""The entry point: global options, the table of commands, and errors told in one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from abathur import __version__
from abathur.cli import failures
from abathur.cli.context import App
from abathur.cli.exit_codes import OK
from abathur.cli.lazy import Commands, LazyGroup
from abathur.cli.output import flush
from abathur.domain.errors import InvalidInputError

NAME: Final = "abathur"

COMMANDS: Final[Commands] = {
    "init": ("abathur.cli.init:init", "Set up a queue in this git repository."),
    "task": (
        "abathur.cli.task.group:task",
        "Submit, list, explain, cancel, retry and prune tasks.",
    ),
    "agent": ("abathur.cli.agent.group:agent", "See and write definitions of agents."),
    "loop": ("abathur.cli.loop.group:loop", "Refine tasks until a measurement is good enough."),
    "template": ("abathur.cli.template.group:template", "Take over and update sets of agents."),
    "plan": ("abathur.cli.plan:plan", "Queue a whole backlog from a file."),
    "swarm": ("abathur.cli.swarm:swarm", "Run agents until the tasks have landed."),
    "schedule": ("abathur.cli.schedule.group:schedule", "Submit tasks at times that come again."),
    "pause": ("abathur.cli.pause:pause", "Start no further agents, for everything or a part."),
    "resume": ("abathur.cli.pause:resume", "End a pause or another hold."),
    "reconcile": (
        "abathur.cli.reconcile:reconcile",
        "Compare the queue with what is, and repair it.",
    ),
    "clean": ("abathur.cli.clean:clean", "Remove what is proven to be of no use any more."),
    "why": ("abathur.cli.task.why:why", "Say why a task, or the queue, isn't moving."),
    "cost": ("abathur.cli.cost:cost", "Show what agents cost, by task, day, agent type."),
    "metrics": ("abathur.cli.metrics:metrics", "Print figures of the queue for Prometheus."),
    "logs": ("abathur.cli.task.logs:logs", "Show what an agent said and did."),
    "diff": ("abathur.cli.task.diff:diff", "Show the changes that a task made."),
    "review": ("abathur.cli.review.group:review", "Answer what waits for a person."),
    "mcp": ("abathur.cli.mcp.group:mcp", "Let agents and editors use the queue."),
    "salvage": ("abathur.cli.salvage.group:salvage", "Find and restore work that didn't land."),
    "mem": ("abathur.cli.mem.group:mem", "Look after what is remembered from task to task."),
    "docs": ("abathur.cli.docs.group:docs", "Index and search the project's documents."),
    "session": ("abathur.cli.session.group:session", "Look at the sessions of agents."),
    "audit": ("abathur.cli.audit.group:audit", "Show and prove the trail of all changes."),
    "trust": ("abathur.cli.trust:trust", "Agree to what this repository's files would run."),
    "doctor": ("abathur.cli.doctor:doctor", "Check that everything needed is in order."),
    "db": ("abathur.cli.db.group:db", "Look after the database."),
    "demo": ("abathur.cli.demo:demo", "Watch a swarm work on a throw-away repository."),
    "chaos": ("abathur.cli.chaos:chaos", "Kill swarms on purpose, and check that nothing is lost."),
    "dev": ("abathur.cli.dev.group:dev", "Try agents without an account."),
    "completion": ("abathur.cli.completion:completion", "Print a shell completion script."),
}

EPILOG: Final = (
    "Ids may be shortened to a unique prefix. Data goes to stdout, talk to stderr. "
    "`abathur COMMAND --help` tells more."
)


class Place(click.Path):
    """The path of a file, or a URL as it stands."""

    name = "file or url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Work on the project of this folder.  [default: the current folder]",
)
@click.option(
    "--db",
    "database",
    type=Place(dir_okay=False, path_type=Path),
    metavar="FILE|URL",
    help="Use this database instead of the project's own: a file, or a URL of PostgreSQL.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors.")
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
@click.pass_context
def cli(
    ctx: click.Context, project: Path | None, database: Path | str | None, verbose: bool
) -> None:
    """A durable queue of tasks, and a swarm of coding agents that lands them in git."""
    ctx.obj = App(project or Path.cwd(), database, verbose)


def main(args: Sequence[str] | None = None) -> None:
    sys.exit(call(list(sys.argv[1:] if args is None else args)))


def call(args: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        _check_text(args)
        code = cli.main(args, prog_name=NAME, standalone_mode=False)
        flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (Exception, KeyboardInterrupt) as error:
        return failures.report(error, args)
    return code if isinstance(code, int) else OK


def _check_text(args: Sequence[str]) -> None:
    """What isn't UTF-8 arrives as half characters, which no database takes."""
    for place, arg in enumerate(args, 1):
        try:
            arg.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"argument {place} ({arg!r}) isn't UTF-8 text; convert it first"
            ) from error
