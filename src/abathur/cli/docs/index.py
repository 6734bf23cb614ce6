"""`abathur docs index`: files become searchable, piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.text import clean
from abathur.domain.wording import count

if TYPE_CHECKING:
    from abathur.cli.docs.rounds import Indexed

SHOWN = 10


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="PATH...")
@click.option(
    "-n",
    "--namespace",
    help="Put them there, like `docs:api`.  [default: where they are; else in none]",
)
@click.option(
    "--ignored",
    "with_ignored",
    is_flag=True,
    help="Also files that git ignores, from now on until `abathur docs remove`.",
)
@click.option("--watch", is_flag=True, help="Go on, and index what changes, until Ctrl-C.")
@json_option
def index(
    paths: Sequence[Path],
    namespace: str | None,
    with_ignored: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Index the files below PATH (the project without one): Markdown, text and source.

    Only what changed is indexed again, what is gone is taken out, and what git ignores is left
    out.
    """
    places = [path.absolute() for path in paths]
    try:
        context.run(_index, places, namespace, with_ignored, watch, as_json)
    except KeyboardInterrupt:
        if not watch:
            raise
        output.say("no longer watching; `abathur docs list` shows what is indexed")


async def _index(
    paths: Sequence[Path],
    namespace: str | None,
    with_ignored: bool,
    watch: bool,
    as_json: bool,
) -> None:
    from abathur.bootstrap import remembering
    from abathur.cli.docs.rounds import Rounds, documents_known

    project = context.project()
    places = paths or [project.root]
    async with context.opened(project) as db:
        _check_places(project.root, places, await db.read(documents_known))
        rounds = Rounds(
            db=db,
            root=project.root,
            places=places,
            namespace=namespace,
            with_ignored=with_ignored,
        )
        _tell(await rounds.once(), as_json)
        if not watch:
            return
        output.say("watching; Ctrl-C ends it")
        async for _ in remembering.changes(project.root, places):
            done = await rounds.once()
            if done.is_news:
                _tell(done, as_json, line=True)


def _check_places(root: Path, places: Sequence[Path], known: Iterable[str]) -> None:
    """A path that is gone has its files taken out; one that never was is a slip."""
    from abathur.cli.docs.rounds import below
    from abathur.domain.errors import NotFoundError

    for place in places:
        if not place.exists() and not place.is_symlink() and not below(root, [place], known):
            raise NotFoundError(
                f"there is no `{place}`, nor is anything indexed of it; name what is in {root}"
            )


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
        output.say(f"  {clean(path)}: {clean(why)}")
    if len(done.skipped) > SHOWN:
        output.say(f"  and {len(done.skipped) - SHOWN} more, which `--json` lists")
