"""`abathur demo`: a swarm at work on a repository made for it. It needs no account and no network."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from abathur import bootstrap
from abathur.bootstrap import Project
from abathur.cli import context, demo_project, demo_story, output
from abathur.cli.context import json_option
from abathur.cli.demo_story import Ending
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.live_view import LiveView, PlainView, View, terminal
from abathur.domain.errors import DatabaseError, InvalidInputError
from abathur.domain.settings import Settings
from abathur.services.planning import apply_plan
from abathur.services.reading import execution_plan, swarm_status, task_detail
from abathur.swarm.events import SwarmEvent, SwarmEventKind

if TYPE_CHECKING:
    from abathur.domain.plans import Plan
    from abathur.ports.stores import Stores, UnitOfWork
    from abathur.services.reading import ExecutionPlan, TaskDetail
    from abathur.swarm.events import Sink

LONGEST_SECONDS: Final = 180
"""It takes some fifteen; after this something hangs."""
SECONDS_BETWEEN_COUNTS: Final = 0.5
TOLD: Final = frozenset(
    {
        SwarmEventKind.AGENT_STARTED,
        SwarmEventKind.LANDING_REFUSED,
        SwarmEventKind.TASK_COMPLETED,
        SwarmEventKind.TASK_FAILED,
        SwarmEventKind.TASK_WAITS,
        SwarmEventKind.WARNING,
    }
)
"""What is told in lines; the steps of each agent would be too many."""


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
@json_option
def demo(path: Path | None, max_agents: int, keep: bool, as_json: bool) -> int:
    """Watch a swarm work on a throw-away repository.

    Agents that follow a script write a small program, task by task, and land it. Two of them get
    in each other's way, and one makes a mistake. Takes a quarter of a minute; needs git, but no
    account and no network. Exit code 1 when anything isn't as promised.
    """
    root = _empty_folder(path)
    ending = None
    try:
        ending = _play(root, max_agents, _Stage(as_json))
    finally:
        # What went wrong can only be found out while it is still there.
        if not keep and (ending is None or not ending.problems):
            shutil.rmtree(root, ignore_errors=True)
    if as_json:
        output.write_json(demo_story.plain(ending))
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

    def view(self, names: Mapping[str, str]) -> tuple[AbstractContextManager[View], Sink]:
        if self.is_silent:
            return (quiet := PlainView(_unheard, _unheard)), quiet.sink
        console = terminal()
        if console is not None:
            return (live := LiveView(console, context.now)), live.sink
        view = PlainView(demo_story.write_wrapped, output.say)

        def sink(event: SwarmEvent) -> None:
            if event.kind in TOLD:
                view.sink(replace(event, summary=names.get(event.task_id or "", "")))

        return view, sink


def _unheard(_: str) -> None:
    """A view that nobody looks at."""


def _play(root: Path, max_agents: int, stage: _Stage) -> Ending:
    began = context.now()
    stage.tell(demo_story.opening(root))
    demo_project.make(root)
    bootstrap.make_project_files(root)
    demo_project.commit_all(root)
    before = demo_project.run_suite(root)
    stage.tell(demo_story.start(before))
    details = context.run(_work, root, max_agents, stage)
    demo_project.tidy(root)
    ending = Ending(
        root=root,
        details=details,
        before=before,
        after=demo_project.run_suite(root),
        history=demo_project.history(root),
        landed=demo_project.tasks_in_history(root),
        changes=demo_project.changes(root),
        printed=demo_project.run_program(root, *demo_story.PROGRAM),
        seconds=(context.now() - began).total_seconds(),
    )
    stage.tell(demo_story.end(ending))
    return ending


async def _work(root: Path, max_agents: int, stage: _Stage) -> Mapping[str, TaskDetail]:
    """Queue the backlog and run the swarm; all about each task, by its name in the backlog."""
    project = await _load(root, max_agents)
    async with bootstrap.open_database(project) as db:
        ids = await db.write(_queue, _backlog(root))
        names = {task_id: name for name, task_id in ids.items()}
        stage.tell(demo_story.backlog(await db.read(execution_plan), names))
        stage.tell(demo_story.swarm(max_agents))
        view, sink = stage.view(names)
        with view as shown:
            await _run_swarm(project, db, sink, shown)
        return await db.read(_details, ids)


async def _load(root: Path, max_agents: int) -> Project:
    """The project of this very folder, by its own configuration.

    With a database in it, no project above it is found instead. Without an environment, neither
    the person's own file nor their variables can put real agents in the place of ours.
    """
    fresh = Project(root, Settings(), root / bootstrap.FOLDER / "abathur.db")
    async with bootstrap.open_database(fresh):
        pass
    return bootstrap.load_project(root, {"swarm.max_agents": max_agents}, env={})


def _backlog(root: Path) -> Plan:
    content = (root / demo_project.BACKLOG).read_bytes()
    return bootstrap.read_plan(demo_project.BACKLOG, content, context.now())


def _queue(stores: Stores, backlog: Plan) -> Mapping[str, str]:
    applied = apply_plan(
        stores, backlog, new_id=bootstrap.new_id, now=context.now(), actor=bootstrap.actor()
    )
    return {name: submitted.task.id for name, submitted in applied.submitted}


async def _run_swarm(project: Project, db: UnitOfWork, sink: Sink, view: View) -> None:
    supervisor = await bootstrap.build_supervisor(project, db, sink)
    watcher = asyncio.create_task(_keep_right(view, db))
    try:
        # Whatever is unfinished then is told as a problem at the end.
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
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
