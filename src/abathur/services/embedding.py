"""Giving passages their vectors, step by step: one reads, the embedder works, one writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from abathur.ports.stores import Stores
from abathur.ports.vectors import Embedded, Unembedded, VectorTotal

STEP: Final = 256


def missing(stores: Stores, model: str, after: int = 0, limit: int = STEP) -> Sequence[Unembedded]:
    """Passages without a vector of the model, those of another model among them."""
    return stores.vectors.missing(model, after, limit)


def save(stores: Stores, model: str, embedded: Sequence[Embedded]) -> int:
    """Write the vectors of passages that are still there; how many."""
    there = stores.passages.get_many([one.passage_id for one in embedded]).keys()
    kept = [one for one in embedded if one.passage_id in there]
    if kept:
        stores.vectors.save(model, kept)
    return len(kept)


def finish(stores: Stores, model: str) -> None:
    """When nothing is missing any more."""
    stores.vectors.tidy(model)


def is_behind(stores: Stores, model: str) -> bool:
    """Whether `catch_up` has something to do: after vectors were copied or restored."""
    return stores.vectors.is_behind(model)


def catch_up(stores: Stores, model: str) -> None:
    stores.vectors.catch_up(model)


def totals(stores: Stores) -> Sequence[VectorTotal]:
    return stores.vectors.totals()


def passages(stores: Stores) -> int:
    """How many there are that could have a vector."""
    return stores.passages.count()
