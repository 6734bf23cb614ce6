"""What searching by meaning needs: somebody who says what texts mean, and a place for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Source: TypeAlias = Literal["memory", "document"]


class Embedder(Protocol):
    """Makes vectors of texts, such that what is close in meaning is close in direction."""

    @property
    def model(self) -> str:
        """Tells its vectors from those of any other model, or of another version of it."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector for each text, all of one length; blocks. Raises `EmbeddingError`."""
        ...


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A passage without a vector of the model in use."""

    passage_id: int
    source: Source
    text: str


@dataclass(frozen=True, slots=True)
class Embedded:
    passage_id: int
    source: Source
    vector: Sequence[float]


@dataclass(frozen=True, slots=True)
class VectorTotal:
    model: str
    vectors: int
    dimension: int


class VectorStore(Protocol):
    """A passage has a vector of one model at most."""

    def nearest(
        self,
        source: Source,
        model: str,
        vector: Sequence[float],
        count: int,
        among: Collection[int] | None = None,
    ) -> Sequence[tuple[int, float]]:
        """Ids of passages with the cosine to the vector, the nearest first.

        With `among`, only of these. Vectors of other models are left out.
        """
        ...

    def missing(self, model: str, after: int, limit: int) -> Sequence[Unembedded]:
        """Passages with a higher id that have no vector of the model, in order of id."""
        ...

    def save(self, model: str, embedded: Sequence[Embedded]) -> None:
        """In place of vectors that they had. Raises `InvalidInputError` when they don't fit."""
        ...

    def tidy(self, model: str) -> None:
        """Once nothing is missing: let go of what searching no longer needs."""
        ...

    def is_behind(self, model: str) -> bool:
        """Whether something that searching is faster with can be made of the model's vectors."""
        ...

    def catch_up(self, model: str) -> None:
        """Make a part of it, at most for some hundredths of a second."""
        ...

    def totals(self) -> Sequence[VectorTotal]: ...
