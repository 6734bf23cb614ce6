"""`abathur demo`: a swarm at work on a repository made for it, without account and network."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from abathur import bootstrap
from abathur.bootstrap import Project, supervision
from abathur.cli import context, demo_ending, demo_project, demo_story, output
from abathur.cli.context import json_option
from abathur.cli.demo_agents import FAKE, RUNTIMES, Cast
from abathur.cli.demo_ending import Ending
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.live_view import LiveView, View, terminal
from abathur.domain.errors import AgentUnavailableError, DatabaseError, InvalidInputError
from abathur.domain.settings import Settings
from abathur.domain.tasks import DEFAULT_AGENT_TYPE
from abathur.services.planning import apply_plan
from abathur.services.reading import execution_plan, swarm_status, task_detail

if TYPE_CHECKING:
    from abathur.domain.plans import Plan
    from abathur.ports.stores import Stores, UnitOfWork
    from abathur.services.reading import TaskDetail
    from abathur.swarm.supervisor import Supervisor

SECONDS_BETWEEN_COUNTS: Final = 0.5


@click.command()
@click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    help="Make the repository in this new or empty folder.  [default: a new temporary one]",
)
@click.option(
    "--max-agents",
    type=click.IntRange(2, 16),
    default=4,
    show_default=True,
    help="How many agents at once; the demo needs two that meet.",
)
@click.option("--keep/--no-keep", default=True, help="Keep the repository, to look around in it.")
@click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default=FAKE,
    show_default=True,
    help="Who works: scripted agents, or a real program whose model follows the script.",
)
@click.option("--real", is_flag=True, help="Let that program ask the model of your own account.")
@click.option("--model", help="Which model, with --real; only claude has one of its own.")
@json_option
def demo(
    path: Path | None,
    max_agents: int,
    keep: bool,
    runtime: str,
    real: bool,
    model: str | None,
    as_json: bool,
) -> int:
    """Watch a swarm work on a throw-away repository.

    Agents that follow a script write a small program, task by task, and land it. Two of them get
    in each other's way, and one makes a mistake. Takes a quarter of a minute; needs git, but no
    account and no network. Exit code 1 when anything isn't as promised.

    With `--runtime claude` or another real agent it is that program which does the work, against a
    model on this machine that follows the script; with `--real` it asks its own model instead,
    which costs money or some of your allowance.
    """
    cast = Cast.made(runtime, real, model)
    root = _empty_folder(path)
    ending = None
    try:
        ending = _play(root, max_agents, _Stage(as_json), cast)
    finally:
        # What went wrong can only be found out while it is still there.
        if not keep and (ending is None or not ending.problems):
            shutil.rmtree(root, ignore_errors=True)
    if as_json:
        output.write_json(demo_ending.plain(ending))
    else:
        output.write_lines(demo_story.farewell(ending, root if root.exists() else None))
    return BAD_ANSWER if ending.problems else OK


def _empty_folder(path: Path | None) -> Path:
    if path is None:
        return Path(tempfile.mkdtemp(prefix="abathur-demo-")).resolve()
    root = path.resolve()
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise InvalidInputError(f"--path: {root} isn't empty; name a new folder")
    return root


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the story is told, unless only its end is wanted."""

    is_silent: bool

    def tell(self, lines: Sequence[str]) -> None:
        if not self.is_silent:
            output.write_lines(lines)

    def view(self, names: Mapping[str, str]) -> View:
        console = None if self.is_silent else terminal()
        if console is not None:
            return LiveView(console, context.now)
        return demo_story.Lines(_unheard if self.is_silent else output.write, names, context.now())


def _unheard(_: str) -> None:
    """A line that nobody wants."""


def _play(root: Path, max_agents: int, stage: _Stage, cast: Cast) -> Ending:
    began = context.now()
    stage.tell(demo_story.opening(root, cast.tells))
    demo_project.make(root)
    bootstrap.make_project_files(root)
    demo_project.commit_all(root)
    before = demo_project.run_suite(root)
    stage.tell(demo_story.start(before))
    with cast.serving(_backlog(root)) as server:
        settings = {"swarm.max_agents": max_agents, **cast.settings(server)}
        details = context.run(_work, root, settings, stage, cast)
    demo_project.tidy(root)
    ending = Ending(
        root=root,
        is_scripted=not cast.is_real,
        details=details,
        before=before,
        after=demo_project.run_suite(root),
        history=demo_project.history(root),
        landed=demo_project.landed(root),
        changes=demo_project.changes(root),
        printed=demo_project.run_program(root, *demo_story.PROGRAM),
        seconds=(context.now() - began).total_seconds(),
    )
    stage.tell(demo_story.end(ending))
    return ending


async def _work(
    root: Path, settings: Mapping[str, object], stage: _Stage, cast: Cast
) -> Mapping[str, TaskDetail]:
    """Queue the backlog and run the swarm; all about each task, by its name in the backlog."""
    project = await _load(root, settings)
    _check_agent(project)
    async with bootstrap.open_database(project) as db:
        ids = await db.write(_queue, cast.backlog(_backlog(root)))
        names = {task_id: name for name, task_id in ids.items()}
        stage.tell(demo_story.backlog(await db.read(execution_plan), names))
        stage.tell(demo_story.swarm(project.settings.swarm.max_agents))
        with stage.view(names) as view:
            supervisor = await supervision.build_supervisor(project, db, view.sink, is_own=True)
            await _run_swarm(supervisor, db, view, cast.longest_seconds)
        stage.tell(demo_story.worked(await db.read(swarm_status)))
        return await db.read(_details, ids)


def _check_agent(project: Project) -> None:
    """Raises `AgentUnavailableError`, before anything is shown that comes to nothing."""
    from abathur.bootstrap.diagnosis import agent_problem

    if problem := agent_problem(project, DEFAULT_AGENT_TYPE):
        raise AgentUnavailableError(problem)


async def _load(root: Path, settings: Mapping[str, object]) -> Project:
    """The project of this very folder, by its own configuration.

    With a database in it, no project above it is found instead. Without an environment, neither
    the person's own file nor their variables can put real agents in the place of ours.
    """
    fresh = Project(root, Settings(), root / bootstrap.FOLDER / "abathur.db")
    async with bootstrap.open_database(fresh):
        pass
    return bootstrap.load_project(root, settings, env={})


def _backlog(root: Path) -> Plan:
    content = (root / demo_project.BACKLOG).read_bytes()
    return bootstrap.read_plan(demo_project.BACKLOG, content, context.now())


def _queue(stores: Stores, backlog: Plan) -> Mapping[str, str]:
    applied = apply_plan(
        stores, backlog, new_id=bootstrap.new_id, now=context.now(), actor=bootstrap.actor()
    )
    return {name: submitted.task.id for name, submitted in applied.submitted}


async def _run_swarm(
    supervisor: Supervisor, db: UnitOfWork, view: View, longest_seconds: int
) -> None:
    watcher = asyncio.create_task(_keep_right(view, db))
    try:
        # Whatever is unfinished then is told as a problem at the end.
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_seconds):
                await supervisor.run(until_idle=True)
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


async def _keep_right(view: View, db: UnitOfWork) -> None:
    while True:
        with suppress(DatabaseError):
            view.put_right(await db.read(swarm_status))
        await asyncio.sleep(SECONDS_BETWEEN_COUNTS)


def _details(stores: Stores, ids: Mapping[str, str]) -> Mapping[str, TaskDetail]:
    now = context.now()
    return {name: task_detail(stores, task_id, now) for name, task_id in ids.items()}
