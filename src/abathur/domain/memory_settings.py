"""What the configuration says about memories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from abathur.domain.memories import MemoryRules

EMBEDDERS: Final = ("model2vec", "ollama", "openai")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    embedder: str | None = None
    """Who says what texts mean, one of `EMBEDDERS`; None finds by words alone."""
    model: str | None = None
    """The folder of a model of model2vec, or the name of a server's model."""
    url: str | None = None
    """Of the server; None is where it is usually."""
    key_variable: str | None = None
    """The environment variable with the server's key."""
    quota: int = 10_000
    """Memories that a namespace holds at most."""
    recall_tokens: int = 1500
    """Of what a task is told of memories without asking; 0 tells nothing."""

    @property
    def rules(self) -> MemoryRules:
        from abathur.domain.memories import MemoryRules

        return MemoryRules(per_namespace=self.quota)
