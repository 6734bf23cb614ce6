"""What all commands share: where the project is, the options of every command, the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from abathur.domain.errors import AmbiguousIdError

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.admission import AdmissionRules
    from abathur.ports.stores import Stores, UnitOfWork

P = ParamSpec("P")
T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@dataclass(frozen=True, slots=True)
class App:
    """The options that stand before the name of a command."""

    start: Path
    database: Path | str | None
    verbose: bool


def app() -> App:
    context = click.get_current_context(silent=True)
    found = context.find_object(App) if context else None
    return found or App(Path.cwd(), None, False)


def project() -> Project:
    """The project that the command is about. Raises `NotFoundError`, `ConfigError`."""
    from abathur import bootstrap

    return bootstrap.load_project(app().start, database=app().database)


def queue() -> Project:
    """The project with its settings unread: that would take longer than most questions.

    Raises `NotFoundError`.
    """
    from abathur.bootstrap import Project, find_database, find_root
    from abathur.domain.settings import Settings

    root = find_root(app().start.resolve())
    return Project(root, Settings(), app().database or find_database(root))


def configured() -> tuple[Project, AdmissionRules]:
    """The project and what it restricts. A broken configuration must not hide the queue."""
    from abathur.bootstrap import supervision
    from abathur.cli import output
    from abathur.domain.errors import ConfigError

    try:
        found = project()
    except ConfigError as error:
        output.say(f"the limits of the configuration aren't known: {error}")
        found = queue()
    return found, supervision.admission_rules(found)


def rules() -> AdmissionRules:
    return configured()[1]


def run(work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the coroutine function to its end on a loop of its own."""
    import asyncio

    from abathur.cli import notices

    with notices.shown():
        return asyncio.run(work(*args, **kwargs))


@asynccontextmanager
async def opened(found: Project, *, only_reads: bool = False) -> AsyncIterator[UnitOfWork]:
    """The project's database. An id that fits several tasks is refused with their summaries."""
    from abathur import bootstrap

    async with bootstrap.open_database(found, only_reads=only_reads) as db:
        try:
            yield db
        except AmbiguousIdError as error:
            raise await _with_summaries(db, error) from None


async def _with_summaries(db: UnitOfWork, error: AmbiguousIdError) -> AmbiguousIdError:
    from abathur.services.reading import all_tasks

    tasks = await db.read(all_tasks, error.candidates)
    ids, summaries = [task.id for task in tasks], [task.summary for task in tasks]
    return AmbiguousIdError(error.prefix, ids, summaries)


def read(query: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the project's database one thing."""

    async def ask() -> T:
        async with opened(_asked(), only_reads=True) as db:
            return await db.read(query, *args, **kwargs)

    return run(ask)


def _asked() -> Project:
    """That of a mistyped `--db` would be made, and be empty."""
    from abathur import bootstrap
    from abathur.domain.errors import NotFoundError

    found = queue()
    if app().database is not None and bootstrap.is_missing(found.database):
        from abathur.bootstrap import care

        if care.was_made(found):
            raise care.missing(found)
        raise NotFoundError(f"there is no database {found.database}; look at --db")
    return found


def write(use_case: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Change one thing in the project's database; it is durable when this returns."""

    async def change() -> T:
        async with opened(queue()) as db:
            return await db.write(use_case, *args, **kwargs)

    return run(change)


def now() -> datetime:
    """The present: that of the queue's server, where the queue is on one."""
    import time

    return datetime.fromtimestamp(time.time(), UTC) + _ahead(app())


@lru_cache(maxsize=1)
def _ahead(options: App) -> timedelta:
    from abathur import bootstrap
    from abathur.domain.errors import AbathurError

    try:
        root = bootstrap.find_root(options.start.resolve())
        return bootstrap.server_is_ahead(options.database or bootstrap.find_database(root))
    except AbathurError:
        # Without a project there is no queue; what else is wrong is told by who needs it.
        return timedelta(0)
