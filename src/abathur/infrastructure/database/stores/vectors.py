"""What passages mean, as vectors: searched by their signs first, and then exactly."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from abathur.domain.errors import InvalidInputError
from abathur.infrastructure.database.signs import (
    BLOCK,
    FLOAT,
    Block,
    block_of,
    packed,
    signs_in,
    signs_of,
    similarities,
    sliced,
    unpacked,
)
from abathur.ports.vectors import Unembedded, VectorTotal

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Row, Session
    from abathur.infrastructure.database.signs import SignIndexes
    from abathur.ports.vectors import Embedded, Source

EXACTLY: Final = 1000
"""Passages whose vectors are compared one by one, without their signs."""
RESCORED: Final = 200
PAGE: Final = 1000
SPARE: Final = 500
"""Signs of what is gone that are let be, beyond a fourth of all."""
STEP: Final = 5
"""Blocks that are turned over in one transaction."""


class SqlVectors:
    """Meets `ports.vectors.VectorStore`."""

    def __init__(self, session: Session, indexes: SignIndexes) -> None:
        self._session = session
        self._indexes = indexes

    def nearest(
        self,
        source: Source,
        model: str,
        vector: Sequence[float],
        count: int,
        among: Collection[int] | None = None,
    ) -> Sequence[tuple[int, float]]:
        wanted = direction(vector)
        if wanted is None:
            return []
        if among is not None and len(among) <= EXACTLY:
            return self._compared(model, wanted, among)[:count]
        number = max(count, RESCORED) * 5 // 4
        while True:
            candidates = self._candidates(source, model, wanted, number, among)
            found = self._compared(model, wanted, candidates)
            if len(found) >= count or len(candidates) < number:
                return found[:count]
            # The rest of them are gone: look at more.
            number *= 4

    def _candidates(
        self,
        source: Source,
        model: str,
        wanted: array[float],
        count: int,
        among: Collection[int] | None,
    ) -> Sequence[int]:
        index = self._indexes.of(source, model)
        listed = self._session.fetch("vector_blocks_list", source=source, model=model)
        missing = index.missing([row["id"] for row in listed])
        if missing:
            rows = self._session.fetch("vector_blocks_get", ids=list(missing))
            index.learn({row["id"]: _block(row) for row in rows})
        return index.nearest(signs_of(wanted), count, among)

    def _compared(
        self, model: str, wanted: array[float], ids: Collection[int]
    ) -> list[tuple[int, float]]:
        rows = self._session.fetch("vectors_get", ids=list(ids), model=model) if ids else []
        fitting = [row for row in rows if len(row["vector"]) == len(wanted) * FLOAT]
        cosines = similarities(wanted, [row["vector"] for row in fitting])
        found = [(row["passage_id"], cosine) for row, cosine in zip(fitting, cosines, strict=True)]
        return sorted(found, key=lambda one: (-one[1], one[0]))

    def missing(self, model: str, after: int, limit: int) -> Sequence[Unembedded]:
        rows = self._session.fetch("vectors_missing", model=model, after=after, limit=limit)
        return [
            Unembedded(row["id"], _source(row["memory_id"]), f"{row['heading']}\n{row['text']}")
            for row in rows
        ]

    def save(self, model: str, embedded: Sequence[Embedded]) -> None:
        dimensions = {len(one.vector) for one in embedded}
        if len(dimensions) > 1:
            raise InvalidInputError(f"model {model} gave vectors of {len(dimensions)} lengths")
        fresh: dict[Source, dict[int, bytes]] = {}
        for one in embedded:
            try:
                stored = packed(one.vector)
            except ValueError as error:
                raise InvalidInputError(f"model {model}: {error}") from error
            self._session.send(
                "vectors_save",
                passage_id=one.passage_id,
                model=model,
                dimension=len(one.vector),
                vector=stored,
            )
            fresh.setdefault(one.source, {})[one.passage_id] = signs_of(unpacked(stored))
        for source, signs in fresh.items():
            self._append(source, model, signs)

    def _append(self, source: Source, model: str, signs: Mapping[int, bytes]) -> None:
        """The last block is filled up first, which makes another one of it."""
        listed = self._session.fetch("vector_blocks_list", source=source, model=model)
        waiting = dict(signs)
        if listed and listed[-1]["n"] < BLOCK:
            (row,) = self._session.fetch("vector_blocks_get", ids=[listed[-1]["id"]])
            waiting = {**signs_in(_block(row)), **signs}
            self._session.execute("vector_blocks_drop", id=row["id"])
        ids = list(waiting)
        for start in range(0, len(ids), BLOCK):
            block = block_of({one: waiting[one] for one in ids[start : start + BLOCK]})
            self._insert(source, model, block)

    def _insert(self, source: Source, model: str, block: Block) -> None:
        self._session.execute(
            "vector_blocks_insert",
            source=source,
            model=model,
            ids=block.ids,
            signs=block.signs,
            layout=block.layout,
        )

    def tidy(self, model: str) -> None:
        self._session.execute("vector_blocks_drop_others", model=model)
        live = sum(one.vectors for one in self.totals() if one.model == model)
        sources: tuple[Source, ...] = ("memory", "document")
        listed = [
            row["n"]
            for source in sources
            for row in self._session.fetch("vector_blocks_list", source=source, model=model)
        ]
        # Some are missing where a block was in a damaged page.
        if not live <= sum(listed) <= live * 5 // 4 + SPARE:
            self._rebuild(model)

    def _rebuild(self, model: str) -> None:
        self._session.execute("vector_blocks_clear", model=model)
        after = 0
        while page := self._session.fetch("vectors_page", model=model, after=after, limit=PAGE):
            fresh: dict[Source, dict[int, bytes]] = {}
            for row in page:
                signs = signs_of(unpacked(row["vector"]))
                fresh.setdefault(_source(row["memory_id"]), {})[row["passage_id"]] = signs
            for source, found in fresh.items():
                self._append(source, model, found)
            after = page[-1]["passage_id"]

    def is_behind(self, model: str) -> bool:
        return bool(self._unsliced(model))

    def catch_up(self, model: str) -> None:
        """Turn over the signs of blocks that were written before that was done."""
        ids = self._unsliced(model)
        for row in self._session.fetch("vector_blocks_get", ids=ids) if ids else ():
            block = sliced(_block(row))
            self._session.execute("vector_blocks_drop", id=row["id"])
            self._insert(row["source"], model, block)

    def _unsliced(self, model: str) -> list[int]:
        rows = self._session.fetch("vector_blocks_in_rows", model=model, full=BLOCK, limit=STEP)
        return [row["id"] for row in rows]

    def totals(self) -> Sequence[VectorTotal]:
        return [
            VectorTotal(row["model"], row["n"], row["dimension"])
            for row in self._session.fetch("vectors_count")
        ]


def direction(vector: Sequence[float]) -> array[float] | None:
    """As it is compared; None where a vector has none."""
    try:
        return unpacked(packed(vector))
    except ValueError:
        return None


def _block(row: Row) -> Block:
    return Block(bytes(row["ids"]), bytes(row["signs"]), row["layout"])


def _source(memory_id: int | None) -> Source:
    return "document" if memory_id is None else "memory"
