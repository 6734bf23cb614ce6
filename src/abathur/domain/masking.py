"""Taking what looks like a secret out of what is stored and shown of an agent's request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

MASK: Final = "***"
LONGEST: Final = 2000
"""Characters that are kept of one text: a file's whole content is no part of the question."""

_TOKENS: Final = re.compile(
    r"\b(?:sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{16}"
    r"|xox[abprs]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"
)
_NAMED: Final = re.compile(
    r"(?i)((?:password|passwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?|bearer\s+)"
    r"[^\s\"'&;]+"
)
_IN_URL: Final = re.compile(r"(\w://[^\s/:@]*:)[^\s/@]+(?=@)")


def masked(value: T) -> T:
    """The value with secrets replaced, in all texts at any depth; long texts are cut."""
    return _masked(value)  # type: ignore[no-any-return]


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        text = _TOKENS.sub(MASK, value)
        text = _IN_URL.sub(rf"\1{MASK}", _NAMED.sub(rf"\1{MASK}", text))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    if isinstance(value, Mapping):
        return {str(key): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value
