"""`abathur docs index`: files become searchable, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.text import clean
from abathur.domain.wording import count

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.documents import NewDocument
    from abathur.ports.stores import Stores, UnitOfWork

BATCH = 50
SHOWN = 10


@dataclass(slots=True)
class Indexed:
    indexed: list[str] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_news(self) -> bool:
        return bool(self.indexed or self.removed)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("-n", "--namespace", default="", help="Put them there, like `docs:api`.")
@click.option("--watch", is_flag=True, help="Go on, and index what changes, until Ctrl-C.")
@json_option
def index(paths: Sequence[Path], namespace: str, watch: bool, as_json: bool) -> None:
    """Index the files below PATH (the project without one): Markdown, text and source.

    Only what changed is indexed again, what is gone is taken out, and what git ignores is left
    out.
    """
    # Ctrl-C is the way to end watching.
    with suppress(KeyboardInterrupt) if watch else nullcontext():
        context.run(_index, [path.absolute() for path in paths], namespace, watch, as_json)


async def _index(paths: Sequence[Path], namespace: str, watch: bool, as_json: bool) -> None:
    from abathur.bootstrap import remembering

    project = context.project()
    places = paths or [project.root]
    async with context.opened(project) as db:
        _check_places(project.root, places, await db.read(_known))
        _tell(await _once(db, project.root, places, namespace), as_json)
        if not watch:
            return
        output.say("watching; Ctrl-C ends it")
        async for _ in remembering.changes(project.root, places):
            done = await _once(db, project.root, places, namespace)
            if done.is_news:
                _tell(done, as_json, line=True)


def _check_places(root: Path, places: Sequence[Path], known: Mapping[str, object]) -> None:
    """A path that is gone has its files taken out; one that never was is a slip."""
    from abathur.domain.errors import NotFoundError

    for place in places:
        if not place.exists() and not _below(root, [place], known):
            raise NotFoundError(
                f"there is no `{place}`, nor is anything indexed of it; name what is in {root}"
            )


async def _once(db: UnitOfWork, root: Path, places: Sequence[Path], namespace: str) -> Indexed:
    from abathur.bootstrap import actor, remembering

    done, waiting = Indexed(), []
    files = await remembering.files_below(root, places)
    known = await db.read(_known)
    for path in files:
        document = remembering.read_document(root, path, namespace)
        if isinstance(document, str):
            done.skipped.append((path, document))
        elif known.get(path) == (document.content_hash, namespace):
            done.unchanged += 1
        else:
            waiting.append(document)
            if len(waiting) == BATCH:
                done.indexed += await db.write(_write, waiting, actor(), context.now())
                waiting = []
    done.indexed += await db.write(_write, waiting, actor(), context.now())
    gone = sorted(
        {*_below(root, places, known)} - {*files} | {p for p, _ in done.skipped} & {*known}
    )
    done.removed += await db.write(_remove, gone, actor(), context.now())
    return done


def _known(stores: Stores) -> dict[str, tuple[str, str]]:
    from abathur.ports.memory import DocumentFilter

    found = stores.documents.select(DocumentFilter(limit=1_000_000))
    return {one.file_path: (one.content_hash, one.namespace) for one in found}


def _below(root: Path, places: Sequence[Path], known: Any) -> list[str]:
    folders = [(root / place).resolve() for place in places]
    return [
        path
        for path in known
        if any((root.resolve() / path).is_relative_to(folder) for folder in folders)
    ]


def _write(stores: Stores, batch: Sequence[NewDocument], actor: str, now: datetime) -> list[str]:
    from abathur.services import documents

    return [new.file_path for new in batch if documents.index(stores, new, actor=actor, now=now)[1]]


def _remove(stores: Stores, gone: Sequence[str], actor: str, now: datetime) -> Sequence[str]:
    from abathur.services import documents

    for path in gone:
        documents.remove(stores, path, actor=actor, now=now)
    return gone


def _tell(done: Indexed, as_json: bool, *, line: bool = False) -> None:
    if as_json:
        told = {
            "indexed": done.indexed,
            "unchanged": done.unchanged,
            "removed": done.removed,
            "skipped": [{"file_path": path, "reason": why} for path, why in done.skipped],
        }
        output.write_json(told, line=line)
        return
    output.say(
        f"{count(len(done.indexed), 'file')} indexed, {done.unchanged} unchanged, "
        f"{len(done.removed)} removed, {len(done.skipped)} skipped"
    )
    for path, why in done.skipped[:SHOWN]:
        output.say(f"  {clean(path)}: {why}")
