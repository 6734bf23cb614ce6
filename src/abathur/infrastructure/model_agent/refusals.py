"""What an error of a provider's SDK means."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from abathur.domain.failure_texts import by_text
from abathur.domain.failures import FailureClass, by_status

PASSING: Final = frozenset({FailureClass.CAPACITY, FailureClass.NETWORK, FailureClass.SERVER})
"""May be over in a moment."""

_BY_TYPE: Final[Mapping[str, FailureClass]] = {
    "api_error": FailureClass.SERVER,
    "authentication_error": FailureClass.AUTHENTICATION,
    "billing_error": FailureClass.QUOTA,
    "insufficient_quota": FailureClass.QUOTA,
    "invalid_api_key": FailureClass.AUTHENTICATION,
    "not_found_error": FailureClass.MODEL_NOT_FOUND,
    "overloaded_error": FailureClass.CAPACITY,
    "permission_error": FailureClass.AUTHENTICATION,
    "rate_limit_error": FailureClass.CAPACITY,
    "rate_limit_exceeded": FailureClass.CAPACITY,
    "request_too_large": FailureClass.CONTEXT_OVERFLOW,
    "server_error": FailureClass.SERVER,
    "timeout_error": FailureClass.NETWORK,
}
"""The providers' own names; in the middle of a stream there is no status."""
_MEANT_BY_WORDS: Final = frozenset({FailureClass.CONTEXT_OVERFLOW, FailureClass.QUOTA})


@dataclass(frozen=True, slots=True)
class Refusal:
    message: str
    failure: FailureClass
    status: int | None = None
    retry_after_seconds: float | None = None

    @property
    def is_passing(self) -> bool:
        return self.failure in PASSING


class BrokenAnswerError(Exception):
    """The model's answer isn't one, or says that it failed."""

    def __init__(self, message: str, kind: str = "server_error") -> None:
        super().__init__(message)
        self.type = kind


def read_refusal(error: Exception) -> Refusal:
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) and status >= 400 else None
    message = _message(error)
    headers = getattr(getattr(error, "response", None), "headers", {})
    return Refusal(
        message=f"{message} (status {status})" if status else message,
        failure=_class(error, status, message),
        status=status,
        retry_after_seconds=_retry_after(headers),
    )


def _class(error: Exception, status: int | None, message: str) -> FailureClass:
    words = by_text(message)
    if words in _MEANT_BY_WORDS:
        return words
    names = {kind.__name__ for kind in type(error).__mro__}
    if named := _by_type(error):
        return named
    if status == 404:
        return FailureClass.MODEL_NOT_FOUND
    if known := by_status(status):
        return known
    if status is not None:
        return words or FailureClass.AGENT
    if names & {"APIConnectionError", "TransportError", "OSError"}:
        return FailureClass.NETWORK
    if "AuthenticationError" in names or "api_key" in message:
        return FailureClass.AUTHENTICATION
    # Among these are answers that the SDK stumbled over: HTML of a proxy, half of a JSON object.
    return FailureClass.SERVER


def _by_type(error: Exception) -> FailureClass | None:
    told = _told(error)
    for name in (getattr(error, "code", None), getattr(error, "type", None), *map(told.get, _KEYS)):
        if isinstance(name, str) and name in _BY_TYPE:
            return _BY_TYPE[name]
    return None


_KEYS: Final = ("code", "type")


def _told(error: Exception) -> Mapping[str, Any]:
    """The object in the body that says what went wrong."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, Mapping) else None
    told = inner if isinstance(inner, Mapping) else body
    return told if isinstance(told, Mapping) else {}


def _message(error: Exception) -> str:
    said = _told(error).get("message")
    if isinstance(said, str) and said:
        return said
    cause = f": {error.__cause__}" if error.__cause__ and str(error.__cause__) else ""
    return f"{str(error) or type(error).__name__}{cause}"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if seconds < 1e7 else None
