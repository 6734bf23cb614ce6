"""Bringing the index up to date with the files, once or again and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from abathur.cli import context

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.documents import Document, NewDocument
    from abathur.ports.stores import Stores, UnitOfWork

BATCH: Final = 50


@dataclass(slots=True)
class Indexed:
    indexed: list[str] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_news(self) -> bool:
        return bool(self.indexed or self.removed)


@dataclass(slots=True, kw_only=True)
class Rounds:
    """Of the same places. A file that is as it was in the round before isn't read again."""

    db: UnitOfWork
    root: Path
    places: Sequence[Path]
    namespace: str | None
    """None: each stays in the one that it is in."""
    with_ignored: bool
    _seen: dict[str, tuple[object, str]] = field(default_factory=dict)
    """Path -> its stamp, and why it can't be indexed."""

    async def once(self) -> Indexed:
        """Raises `InvalidInputError` for a place outside of the project."""
        from abathur.bootstrap import actor, remembering

        listing = await remembering.files_below(
            self.root, self.places, with_ignored=self.with_ignored
        )
        known = await self.db.read(documents_known)
        ignored = {*listing.ignored, *self._still_there(known)}
        done, files = Indexed(skipped=[*listing.left_out]), {*listing.files, *ignored}
        waiting: list[NewDocument] = []
        for path in sorted(files):
            document = self._read(path, known.get(path), is_ignored=path in ignored)
            if isinstance(document, str):
                done.skipped.append((path, document))
            elif document is None:
                done.unchanged += 1
            else:
                waiting.append(document)
            if len(waiting) == BATCH:
                done.indexed += await self.db.write(_write, waiting, actor(), context.now())
                waiting = []
        done.indexed += await self.db.write(_write, waiting, actor(), context.now())
        gone = self._gone(known, files - {path for path, _ in done.skipped})
        done.removed += await self.db.write(_remove, gone, actor(), context.now())
        return done

    def _still_there(self, known: Mapping[str, Document]) -> Iterable[str]:
        """What was indexed although git ignores it goes on being indexed."""
        from abathur.bootstrap import remembering
        from abathur.domain.documents import IGNORED

        for path in below(self.root, self.places, known):
            if known[path].metadata.get(IGNORED) and remembering.is_file(self.root, path):
                yield path

    def _read(
        self, path: str, old: Document | None, *, is_ignored: bool
    ) -> NewDocument | str | None:
        """What is to be written; None when nothing is, or why it can't be."""
        from abathur.bootstrap import remembering
        from abathur.domain.documents import GIVEN, IGNORED
        from abathur.services.documents import is_same

        stamp = remembering.stamp_of(self.root, path)
        seen, why = self._seen.pop(path, (None, ""))
        if stamp is None or stamp != seen or (old is None and not why):
            kept = "" if old is None or old.metadata.get(GIVEN) else old.namespace
            namespace = kept if self.namespace is None else self.namespace
            document = remembering.read_document(self.root, path, namespace)
            why = document if isinstance(document, str) else ""
        else:
            document = why
        if stamp is not None:
            self._seen[path] = stamp, why
        if isinstance(document, str):
            return document or None
        if is_ignored:
            document = replace(document, metadata={IGNORED: True})
        return None if old is not None and is_same(old, document) else document

    def _gone(self, known: Mapping[str, Document], there: set[str]) -> Sequence[str]:
        """Without what clients have told, of which there needn't be a file."""
        from abathur.domain.documents import GIVEN

        return [
            path
            for path in below(self.root, self.places, known)
            if path not in there and not known[path].metadata.get(GIVEN)
        ]


def documents_known(stores: Stores) -> dict[str, Document]:
    from abathur.ports.memory import DocumentFilter
    from abathur.services import documents

    found = documents.select(stores, DocumentFilter(limit=1_000_000))
    return {one.file_path: one for one in found}


def below(root: Path, places: Sequence[Path], known: Iterable[str]) -> list[str]:
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
