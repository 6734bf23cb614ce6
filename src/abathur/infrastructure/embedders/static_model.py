"""A static model of model2vec, from a folder of this machine. Nothing is ever downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from abathur.domain.errors import EmbeddingError

WEIGHTS = "model.safetensors"


class StaticModel:
    """Meets `ports.vectors.Embedder`. Loads the model when it is first needed."""

    def __init__(self, folder: Path) -> None:
        """Raises `EmbeddingError` when there is no model."""
        self._folder = folder
        weights = folder / WEIGHTS
        if not weights.is_file():
            raise EmbeddingError(
                f"there is no model of model2vec in {folder} (it has no {WEIGHTS}); "
                "set `memory.model` to the folder of one"
            )
        # Another model in the same folder is another model: its size and its first bytes tell.
        with weights.open("rb") as stream:
            digest = hashlib.sha256(stream.read(1 << 20))
        digest.update(str(weights.stat().st_size).encode())
        self.model = f"model2vec:{folder.name}:{digest.hexdigest()[:12]}"

    @cached_property
    def _loaded(self) -> Any:
        try:
            from model2vec import StaticModel as Loaded
        except ImportError as error:
            raise EmbeddingError(
                "`memory.embedder: model2vec` needs `pip install 'abathur[embeddings]'`"
            ) from error
        try:
            return Loaded.from_pretrained(str(self._folder))
        except Exception as error:
            raise EmbeddingError(
                f"the model in {self._folder} can't be loaded "
                f"({' '.join(str(error).split())[:200]}); put another one there"
            ) from error

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        found: list[list[float]] = self._loaded.encode(list(texts)).tolist()
        return found
