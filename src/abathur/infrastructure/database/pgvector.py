"""Vectors where PostgreSQL's extension pgvector is: compared by the server, on an index of signs.

What stands in the table `vectors` is stored all the same; it is what is copied and recovered, and
what is compared where the extension isn't, or hasn't caught up.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from abathur.infrastructure.database.signs import unpacked
from abathur.infrastructure.database.stores.vectors import SqlVectors, direction
from abathur.ports.vectors import Embedded, Source

NOT_READY: Final = 0
"""In place of a passage's id: see the migration that made the functions."""
STEP: Final = 2000
"""Vectors that one transaction takes over."""


class PgVectors(SqlVectors):
    """Meets `ports.vectors.VectorStore`."""

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
        asked: dict[str, Any] = {
            "source": source,
            "model": model,
            "dimension": len(wanted),
            "vector": list(wanted),
            "number": count,
        }
        if among is None:
            rows = self._session.fetch("vector_index_nearest", **asked)
        else:
            rows = self._session.fetch("vector_index_among", **asked, ids=list(among))
        if rows and rows[0]["passage_id"] == NOT_READY:
            return super().nearest(source, model, vector, count, among)
        return [(row["passage_id"], row["cosine"]) for row in rows]

    def save(self, model: str, embedded: Sequence[Embedded]) -> None:
        kinds: list[dict[str, Any]] = [
            {"source": source, "model": model, "dimension": dimension}
            for source, dimension in {(one.source, len(one.vector)) for one in embedded}
        ]
        # With vectors of before, it has to catch up first.
        fresh = [kind for kind in kinds if not self._has_vectors(kind)]
        super().save(model, embedded)
        for kind in fresh:
            self._session.fetch("vector_index_begin", **kind)
        self._keep(model, ((one.passage_id, one.source, direction(one.vector)) for one in embedded))

    def _has_vectors(self, kind: Mapping[str, Any]) -> bool:
        return bool(self._session.fetch("vector_index_has_vectors", **kind)[0]["has_some"])

    def _keep(self, model: str, made: Iterable[tuple[int, str, array[float] | None]]) -> None:
        by_dimension: dict[int, list[Mapping[str, object]]] = {}
        for passage_id, source, vector in made:
            assert vector is not None  # it is stored already
            row = {"id": passage_id, "source": source, "vector": list(vector)}
            by_dimension.setdefault(len(vector), []).append(row)
        for dimension, rows in by_dimension.items():
            self._session.fetch("vector_index_save", model=model, dimension=dimension, made=rows)

    def is_behind(self, model: str) -> bool:
        waits = self._session.fetch("vector_index_waits", model=model)[0]["waits"]
        return bool(waits) or super().is_behind(model)

    def catch_up(self, model: str) -> None:
        super().catch_up(model)
        if not self._session.fetch("vector_index_prepare")[0]["is_there"]:
            return
        missing = self._session.fetch("vector_index_missing", model=model, number=STEP)
        self._keep(
            model, ((row["passage_id"], row["source"], unpacked(row["vector"])) for row in missing)
        )
        if len(missing) < STEP:
            for row in self._session.fetch("vector_index_unindexed", model=model):
                self._session.fetch("vector_index_begin", model=model, **row)
