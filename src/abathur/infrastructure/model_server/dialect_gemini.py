"""Google's Gemini API: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from abathur.infrastructure.model_server.asked import Asked
from abathur.infrastructure.model_server.reply import Event, pieces
from abathur.infrastructure.model_server.script import ToolCall, Turn

_REASONS: Final = {"max_tokens": "MAX_TOKENS", "refusal": "SAFETY"}
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def body(asked: Asked, turn: Turn, number: str) -> dict[str, Any]:
    parts = [*_thoughts(turn), *({"text": text} for text in turn.texts)]
    calls = [_call(call, f"{number}_{place}") for place, call in enumerate(turn.tools)]
    return _answer(asked, turn, number, [*parts, *calls], is_last=True)


def events(asked: Asked, turn: Turn, number: str) -> Iterator[Event]:
    for part in _thoughts(turn):
        yield Event(_answer(asked, turn, number, [part], is_last=False))
    for piece in pieces("\n".join(turn.texts)):
        yield Event(_answer(asked, turn, number, [{"text": piece}], is_last=False))
    calls = [_call(call, f"{number}_{place}") for place, call in enumerate(turn.tools)]
    yield Event(_answer(asked, turn, number, calls or [{"text": ""}], is_last=True))


def refusal(turn: Turn) -> dict[str, Any]:
    status = turn.error or _STATUSES.get(turn.status, "UNKNOWN")
    return {"error": {"code": turn.status, "message": turn.message, "status": status}}


def broken(error: str, message: str) -> Event:
    return Event({"error": {"code": 500, "message": message, "status": error}})


def _answer(
    asked: Asked, turn: Turn, number: str, parts: list[dict[str, Any]], *, is_last: bool
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if is_last:
        candidate["finishReason"] = _REASONS.get(turn.stop or "", "STOP")
    answer = {"candidates": [candidate], "modelVersion": asked.model, "responseId": number}
    return {**answer, "usageMetadata": _usage(turn)} if is_last else answer


def _thoughts(turn: Turn) -> list[dict[str, Any]]:
    return [{"text": turn.thinking, "thought": True}] if turn.thinking else []


def _call(call: ToolCall, number: str) -> dict[str, Any]:
    # The API has no place for arguments that aren't any.
    given = {} if isinstance(call.arguments, str) else call.arguments
    return {"functionCall": {"id": f"call_{number}", "name": call.name, "args": given}}


def _usage(turn: Turn) -> dict[str, int]:
    return {
        "promptTokenCount": turn.usage.input,
        "candidatesTokenCount": turn.usage.output,
        "totalTokenCount": turn.usage.input + turn.usage.output,
        "cachedContentTokenCount": turn.usage.cache_read,
    }
