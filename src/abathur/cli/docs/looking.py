"""`abathur docs search`, `list` and `remove`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output, shapes
from abathur.cli import shape_fields_memory as fields
from abathur.cli.context import json_option
from abathur.cli.meaning import meaning_of
from abathur.cli.mem.options import why_shape, why_text
from abathur.cli.output import Column
from abathur.cli.text import age, clean

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.documents import Document
    from abathur.ports.memory import DocumentFilter
    from abathur.ports.stores import Stores
    from abathur.services.searching import DocumentHit

DOCUMENTS = (
    Column(title="FILE", flexible=True),
    Column(title="TYPE"),
    Column(title="PARTS", right=True),
    Column(title="NAMESPACE", most=24),
    Column(title="AGE", right=True),
)
under_option = click.option("--under", metavar="PATH", help="Only this file, or below this folder.")
namespace_option = click.option("-n", "--namespace", help="Only in this namespace and below it.")


def _filter(under: str | None, namespace: str | None, limit: int) -> DocumentFilter:
    from abathur.ports.memory import DocumentFilter

    clean_under = under.strip("/").removeprefix("./") if under else None
    return DocumentFilter(under=clean_under or None, namespace=namespace, limit=limit)


@click.command()
@click.argument("text")
@under_option
@namespace_option
@click.option(
    "--limit", type=click.IntRange(1, 200), default=10, show_default=True, help="At most."
)
@json_option
def search(text: str, as_json: bool, **typed: Any) -> None:
    """Find places that have words of TEXT, or mean the same; the best first."""
    hits = context.run(_search, text, _filter(**typed))
    if as_json:
        output.write_json(
            [shapes.pick(fields.DOCUMENT_HIT, hit, why=why_shape(hit.why)) for hit in hits]
        )
    elif not hits:
        output.say("Nothing fits; try other words, or `abathur docs index PATH` first.")
    for hit in () if as_json else hits:
        place = f"{hit.file_path}:{hit.first_line}"
        lines = [output.paint(clean(place), "bold")]
        if hit.heading:
            lines.append(f"  {clean(hit.heading)}")
        lines += [f"  {clean(hit.excerpt)}", f"  {output.paint(clean(why_text(hit.why)), 'dim')}"]
        output.write_lines(lines)


async def _search(text: str, where: DocumentFilter) -> Sequence[DocumentHit]:
    from abathur.services import documents

    project = context.project()
    meaning = await meaning_of(project, text)
    async with context.opened(project, only_reads=True) as db:
        return await db.read(documents.search, text, where, meaning=meaning)


@click.command("list")
@under_option
@namespace_option
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="At most."
)
@json_option
def list_(as_json: bool, **typed: Any) -> None:
    """List what is indexed, by path."""
    from abathur.services import documents

    found = context.read(documents.select, _filter(**typed))
    if as_json:
        output.write_json([_shape(one) for one in found])
    elif found:
        output.write_table(DOCUMENTS, [_row(one) for one in found])
    else:
        output.say("Nothing is indexed; `abathur docs index PATH` does that.")


def _row(one: Document) -> list[str]:
    return [
        one.file_path,
        one.document_type or "-",
        str(one.chunk_count),
        one.namespace or "-",
        age(one.last_synced_at, context.now()),
    ]


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@json_option
def remove(paths: Sequence[str], as_json: bool) -> None:
    """Take files, or all below folders, out of the index; the files themselves stay."""
    from abathur.bootstrap import actor

    gone = context.write(_remove, paths, actor(), context.now())
    if as_json:
        output.write_json([_shape(one) for one in gone])
    else:
        for one in gone:
            output.say(f"removed {clean(one.file_path)}")


def _remove(stores: Stores, paths: Sequence[str], actor: str, now: datetime) -> Sequence[Document]:
    from abathur.domain.errors import NotFoundError
    from abathur.services import documents

    gone: list[Document] = []
    for path in paths:
        found = documents.select(stores, _filter(path, None, 100_000))
        if not found:
            raise NotFoundError(
                f"no document {path} is indexed; `abathur docs list` shows which are"
            )
        for one in found:
            documents.remove(stores, one.file_path, actor=actor, now=now)
        gone += found
    return gone


def _shape(one: Document) -> dict[str, Any]:
    return shapes.pick(fields.DOCUMENT, one)
