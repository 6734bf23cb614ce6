"""What of an agent's request, and of an event, may go to a person: stricter than what is stored.

A question and a notice leave the machine or stay on a screen, so short values behind a telling name
go too, which `redaction` leaves alone in a transcript, where they are mostly code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from abathur.domain.redaction import MASK, Redactor

T = TypeVar("T")

LONGEST: Final = 2000
"""Characters that are kept of one text: a file's whole content is no part of the question."""

_BY_LOOKS: Final = Redactor()
_NAMED: Final = re.compile(
    r"(?i)((?:password|passwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?|bearer\s+)"
    r"(?!\[REDACTED\])[^\s\"'&;]+"
)
_IN_URL: Final = re.compile(r"(\w://[^\s/:@]*:)[^\s/@]+(?=@)")


def masked(value: T) -> T:
    """The value with secrets replaced, in all texts at any depth; long texts are cut."""
    return _masked(value)  # type: ignore[no-any-return]


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        text = _NAMED.sub(rf"\1{MASK}", _BY_LOOKS.text(value))
        text = _IN_URL.sub(rf"\1{MASK}", text)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    if isinstance(value, Mapping):
        return {str(key): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value
