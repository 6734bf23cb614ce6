"""A server that makes vectors: Ollama's own way, or that of OpenAI, which many speak."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from abathur.domain.errors import EmbeddingError

TIMEOUT: Final = 60.0
AT_ONCE: Final = 16
"""Texts of one request, so that a slow machine answers it in time too."""
MOST_BYTES: Final = 64 * 1024 * 1024
LONGEST_TEXT: Final = 8000
"""Characters of a text that are sent; models read a few thousand tokens at most."""
PLACES: Final = {"ollama": "/api/embed", "openai": "/v1/embeddings"}
USUAL: Final = {"ollama": "http://127.0.0.1:11434", "openai": "https://api.openai.com"}


class _NoRedirect(HTTPRedirectHandler):
    """The key isn't for whoever the server names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class EmbeddingServer:
    """Meets `ports.vectors.Embedder`."""

    def __init__(self, kind: str, name: str, url: str | None, key_variable: str | None) -> None:
        """Raises `EmbeddingError` for a URL that is none."""
        self._kind, self._name = kind, name
        base = (url or USUAL[kind]).rstrip("/")
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise EmbeddingError(
                f"`memory.url` {parts.scheme}://{parts.hostname} can't be asked; "
                "write http://HOST:PORT, without a password"
            )
        self._where = base.removesuffix("/v1") + PLACES[kind]
        self._key_variable = key_variable
        self.model = f"{kind}:{name}"

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        vectors: list[list[float]] = []
        for start in range(0, len(texts), AT_ONCE):
            vectors += self._some([text[:LONGEST_TEXT] for text in texts[start : start + AT_ONCE]])
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise self._nonsense(
                f"{len(vectors)} vectors for {len(texts)} texts, or of unlike size"
            )
        return vectors

    def _some(self, texts: Sequence[str]) -> list[list[float]]:
        told = self._ask(texts)
        try:
            if self._kind == "ollama":
                found = told["embeddings"]
            else:
                found = [row["embedding"] for row in sorted(told["data"], key=_index)]
            return [[float(x) for x in vector] for vector in found]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._nonsense("something else than vectors") from error

    def _nonsense(self, what: str) -> EmbeddingError:
        return EmbeddingError(
            f"{self._where} answers with {what}; check `memory.url` and `memory.model`"
        )

    def _ask(self, texts: Sequence[str]) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._key_variable is not None:
            key = os.environ.get(self._key_variable)
            if not key:
                raise EmbeddingError(
                    f"the variable {self._key_variable}, which `memory.key_variable` names, isn't "
                    "set; set it to the key of the server"
                )
            headers["Authorization"] = f"Bearer {key}"
        body = json.dumps({"model": self._name, "input": list(texts)}).encode()
        request = Request(self._where, body, headers)
        try:
            with build_opener(_NoRedirect).open(request, timeout=TIMEOUT) as answer:
                return json.loads(answer.read(MOST_BYTES))
        except HTTPError as error:
            raise EmbeddingError(
                f"{self._where} refuses (HTTP {error.code}); check that it has the model "
                f"{self._name}, and the key"
            ) from error
        except HTTPException as error:
            raise self._nonsense(f"what isn't HTTP ({type(error).__name__})") from error
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise EmbeddingError(
                f"{self._where} can't be reached ({reason}); start the server, or change "
                "`memory.url`"
            ) from error
        except (ValueError, RecursionError) as error:
            raise self._nonsense("no JSON") from error


def _index(row: Any) -> int:
    return int(row.get("index", 0))
