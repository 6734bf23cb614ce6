"""OpenAI's Responses API: https://platform.openai.com/docs/api-reference/responses-streaming."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

from abathur.infrastructure.model_server.asked import Asked
from abathur.infrastructure.model_server.reply import Event, as_json, error_type, pieces
from abathur.infrastructure.model_server.script import ToolCall, Turn

_INCOMPLETE: Final = {"max_tokens": "max_output_tokens", "refusal": "content_filter"}


def body(asked: Asked, turn: Turn, number: str) -> dict[str, Any]:
    cut = _INCOMPLETE.get(turn.stop or "")
    return {
        **_begun(asked, number),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": cut} if cut else None,
        "output": _output(asked, turn, number),
        "usage": {
            "input_tokens": turn.usage.input,
            "input_tokens_details": {"cached_tokens": turn.usage.cache_read},
            "output_tokens": turn.usage.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": turn.usage.input + turn.usage.output,
        },
    }


def events(asked: Asked, turn: Turn, number: str) -> Iterator[Event]:
    numbers = count()
    for event in _events(asked, turn, number):
        yield Event({**event, "sequence_number": next(numbers)}, str(event["type"]))


def refusal(turn: Turn) -> dict[str, Any]:
    kind = error_type(turn)
    return {"error": {"type": kind, "code": kind, "message": turn.message, "param": None}}


def broken(error: str, message: str) -> Event:
    failed = {
        "id": "resp_broken",
        "object": "response",
        "status": "failed",
        "error": {"code": error, "message": message},
        "output": [],
    }
    return Event({"type": "response.failed", "response": failed}, "response.failed")


def _begun(asked: Asked, number: str) -> dict[str, Any]:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "model": asked.model,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


def _events(asked: Asked, turn: Turn, number: str) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": _begun(asked, number)}
    yield {"type": "response.in_progress", "response": _begun(asked, number)}
    whole = body(asked, turn, number)
    for index, item in enumerate(whole["output"]):
        for event in _item_events(item):
            yield {"output_index": index, **event}
    end = "incomplete" if whole["incomplete_details"] else "completed"
    yield {"type": f"response.{end}", "response": whole}


def _item_events(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    name = str(item["id"])
    match item["type"]:
        case "message":
            empty = {**item, "status": "in_progress", "content": []}
            inner = _text_events(name, item["content"])
        case "function_call":
            empty = {**item, "status": "in_progress", "arguments": ""}
            inner = _argument_events(name, "function_call_arguments", "arguments", item)
        case "custom_tool_call":
            empty = {**item, "status": "in_progress", "input": ""}
            inner = _argument_events(name, "custom_tool_call_input", "input", item)
        case _:
            empty, inner = dict(item), iter(())
    yield {"type": "response.output_item.added", "item": empty}
    yield from inner
    yield {"type": "response.output_item.done", "item": item}


def _text_events(name: str, content: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for index, part in enumerate(content):
        place = {"item_id": name, "content_index": index}
        empty = {**part, "text": ""}
        yield {"type": "response.content_part.added", **place, "part": empty}
        for piece in pieces(part["text"]):
            delta = {"delta": piece, "logprobs": []}
            yield {"type": "response.output_text.delta", **place, **delta}
        done = {"text": part["text"], "logprobs": []}
        yield {"type": "response.output_text.done", **place, **done}
        yield {"type": "response.content_part.done", **place, "part": part}


def _argument_events(
    name: str, kind: str, field: str, item: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    for piece in pieces(item[field]):
        yield {"type": f"response.{kind}.delta", "item_id": name, "delta": piece}
    done = {"item_id": name, field: item[field], "name": item["name"]}
    yield {"type": f"response.{kind}.done", **done}


def _output(asked: Asked, turn: Turn, number: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if turn.thinking:
        summary = [{"type": "summary_text", "text": turn.thinking}]
        items.append({"type": "reasoning", "id": f"rs_{number}", "summary": summary})
    for place, text in enumerate(turn.texts):
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_{number}_{place}", "role": "assistant"}
        items.append({**message, "status": "completed", "content": [part]})
    for place, call in enumerate(turn.tools):
        items.append(_call(asked, call, f"{number}_{place}"))
    return items


def _call(asked: Asked, call: ToolCall, number: str) -> dict[str, Any]:
    offered = asked.tool(call.name)
    item: dict[str, Any] = {"call_id": f"call_{number}", "name": offered.name}
    if offered.namespace:
        item["namespace"] = offered.namespace
    if offered.kind == "custom":
        given = call.arguments
        text = given if isinstance(given, str) else str(given.get("input", json.dumps(given)))
        return {"type": "custom_tool_call", "id": f"ctc_{number}", **item, "input": text} | _DONE
    arguments = as_json(call.arguments)
    return {"type": "function_call", "id": f"fc_{number}", **item, "arguments": arguments} | _DONE


_DONE: Final = {"status": "completed"}
