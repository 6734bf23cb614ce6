"""OpenAI's Chat Completions API: https://platform.openai.com/docs/api-reference/chat-streaming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from abathur.infrastructure.model_server.asked import Asked
from abathur.infrastructure.model_server.reply import Event, as_json, error_type, pieces
from abathur.infrastructure.model_server.script import ToolCall, Turn

_REASONS: Final = {"max_tokens": "length", "refusal": "content_filter", "end_turn": "stop"}


def body(asked: Asked, turn: Turn, number: str) -> dict[str, Any]:
    calls = [_call(call, f"{number}_{place}") for place, call in enumerate(turn.tools)]
    message = {
        "role": "assistant",
        "content": "\n".join(turn.texts) or None,
        "refusal": None,
        **({"tool_calls": calls} if calls else {}),
        **({"reasoning_content": turn.thinking} if turn.thinking else {}),
    }
    choice = {"index": 0, "message": message, "finish_reason": _reason(turn), "logprobs": None}
    head = _head(asked, number, "chat.completion")
    return {**head, "choices": [choice], "usage": _usage(turn)}


def events(asked: Asked, turn: Turn, number: str) -> Iterator[Event]:
    head = _head(asked, number, "chat.completion.chunk")
    for delta in _deltas(turn, number):
        yield _chunk(head, delta, None)
    yield _chunk(head, {}, _reason(turn))
    options = asked.body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield Event({**head, "choices": [], "usage": _usage(turn)})
    yield Event("[DONE]")


def refusal(turn: Turn) -> dict[str, Any]:
    kind = error_type(turn)
    return {"error": {"type": kind, "code": kind, "message": turn.message, "param": None}}


def broken(error: str, message: str) -> Event:
    return Event({"error": {"type": error, "code": error, "message": message}})


def _head(asked: Asked, number: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 0, "model": asked.model}


def _reason(turn: Turn) -> str:
    if turn.stop:
        return _REASONS.get(turn.stop, turn.stop)
    return "tool_calls" if turn.tools else "stop"


def _deltas(turn: Turn, number: str) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for piece in pieces(turn.thinking):
        yield {"reasoning_content": piece}
    for piece in pieces("\n".join(turn.texts)):
        yield {"content": piece}
    for place, call in enumerate(turn.tools):
        whole = _call(call, f"{number}_{place}")
        function = whole["function"]
        begun = {**whole, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [{"index": place, **begun}]}
        for piece in pieces(function["arguments"]):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _chunk(head: dict[str, Any], delta: dict[str, Any], reason: str | None) -> Event:
    return Event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def _call(call: ToolCall, number: str) -> dict[str, Any]:
    function = {"name": call.name, "arguments": as_json(call.arguments)}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _usage(turn: Turn) -> dict[str, Any]:
    return {
        "prompt_tokens": turn.usage.input,
        "completion_tokens": turn.usage.output,
        "total_tokens": turn.usage.input + turn.usage.output,
        "prompt_tokens_details": {"cached_tokens": turn.usage.cache_read},
    }
