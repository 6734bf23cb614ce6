"""What all commands share: where the project is, the options of every command, the event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.ports.stores import Stores

P = ParamSpec("P")
T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@dataclass(frozen=True, slots=True)
class App:
    """The options that stand before the name of a command."""

    start: Path
    database: Path | None
    verbose: bool


def app() -> App:
    found = click.get_current_context().find_object(App)
    return found or App(Path.cwd(), None, False)


def project() -> Project:
    """The project that the command is about. Raises `NotFoundError`, `ConfigError`."""
    from abathur import bootstrap

    return bootstrap.load_project(app().start, database=app().database)


def queue() -> Project:
    """The project with its settings unread: that would take longer than most questions.

    Raises `NotFoundError`.
    """
    from abathur.bootstrap import FOLDER, Project, find_root
    from abathur.domain.settings import Settings

    root = find_root(app().start.resolve())
    return Project(root, Settings(), app().database or root / FOLDER / "abathur.db")


def run(work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the coroutine function to its end on a loop of its own."""
    import asyncio

    return asyncio.run(work(*args, **kwargs))


def read(query: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the project's database one thing."""

    from abathur import bootstrap

    async def ask() -> T:
        async with bootstrap.open_database(queue()) as db:
            return await db.read(query, *args, **kwargs)

    return run(ask)


def write(use_case: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Change one thing in the project's database; it is durable when this returns."""

    from abathur import bootstrap

    async def change() -> T:
        async with bootstrap.open_database(queue()) as db:
            return await db.write(use_case, *args, **kwargs)

    return run(change)


def now() -> datetime:
    import time

    return datetime.fromtimestamp(time.time(), UTC)
