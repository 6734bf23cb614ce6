"""Anthropic's Messages API: https://docs.claude.com/en/api/messages-streaming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from abathur.infrastructure.model_server.asked import Asked
from abathur.infrastructure.model_server.reply import Event, as_json, error_type, pieces
from abathur.infrastructure.model_server.script import ToolCall, Turn


def body(asked: Asked, turn: Turn, number: str) -> dict[str, Any]:
    stop = turn.stop or ("tool_use" if turn.tools else "end_turn")
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": _content(turn, number),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": turn.usage.input,
            "output_tokens": turn.usage.output,
            "cache_read_input_tokens": turn.usage.cache_read,
            "cache_creation_input_tokens": turn.usage.cache_write,
        },
    }


def events(asked: Asked, turn: Turn, number: str) -> Iterator[Event]:
    message = body(asked, turn, number)
    begun = {**message, "content": [], "stop_reason": None}
    begun["usage"] = {**message["usage"], "output_tokens": 1}
    yield _event({"type": "message_start", "message": begun})
    calls = {f"toolu_{number}_{place}": call for place, call in enumerate(turn.tools)}
    for index, block in enumerate(message["content"]):
        yield from _block(index, block, calls.get(block.get("id", "")))
    yield _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": turn.usage.output},
        }
    )
    yield _event({"type": "message_stop"})


def refusal(turn: Turn) -> dict[str, Any]:
    return {"type": "error", "error": {"type": error_type(turn), "message": turn.message}}


def broken(error: str, message: str) -> Event:
    return _event({"type": "error", "error": {"type": error, "message": message}})


def _content(turn: Turn, number: str) -> list[dict[str, Any]]:
    thinking = {"type": "thinking", "thinking": turn.thinking, "signature": "c2NyaXB0ZWQ="}
    return [
        *([thinking] if turn.thinking else []),
        *({"type": "text", "text": text} for text in turn.texts),
        *(
            {
                "type": "tool_use",
                "id": f"toolu_{number}_{place}",
                "name": call.name,
                "input": {} if isinstance(call.arguments, str) else call.arguments,
            }
            for place, call in enumerate(turn.tools)
        ),
    ]


def _block(index: int, block: Mapping[str, Any], call: ToolCall | None) -> Iterator[Event]:
    if call:
        empty, key, text = {**block, "input": {}}, "input_json_delta", as_json(call.arguments)
        field = "partial_json"
    else:
        field = key = str(block["type"])
        empty, text, key = {**block, field: ""}, str(block[field]), f"{field}_delta"
    yield _event({"type": "content_block_start", "index": index, "content_block": empty})
    for piece in pieces(text):
        delta = {"type": key, field: piece}
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    if "signature" in block:
        delta = {"type": "signature_delta", "signature": block["signature"]}
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _event(data: Mapping[str, Any]) -> Event:
    return Event(data, data["type"])
