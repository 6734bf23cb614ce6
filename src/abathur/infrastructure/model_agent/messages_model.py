"""Models on Anthropic's Messages API, by its own SDK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from abathur.infrastructure.model_agent.plan import Plan
from abathur.infrastructure.model_agent.talk import Answer, Call, Entry, ToolShape

DEFAULT_OUTPUT: Final = 16_000
_STOPS: Final = {"max_tokens": "length", "refusal": "refused", "pause_turn": "pause"}
_COUNTS: Final = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}
_CACHED: Final = {"cache_control": {"type": "ephemeral"}}


class MessagesModel:
    def __init__(self, plan: Plan) -> None:
        import anthropic

        self._plan = plan
        self._client = anthropic.AsyncAnthropic(
            api_key=plan.api_key or None,
            auth_token=plan.auth_token or None,
            base_url=plan.base_url,
            max_retries=0,  # it would sleep for as long as `retry-after` says
            timeout=plan.request_seconds,
            default_headers={"x-session-id": plan.session_id},
        )

    async def ask(self, system: str, talk: Sequence[Entry], tools: Sequence[ToolShape]) -> Answer:
        asked: dict[str, Any] = {
            "model": self._plan.model,
            "max_tokens": self._plan.max_output_tokens or DEFAULT_OUTPUT,
            "system": [{"type": "text", "text": system, **_CACHED}],
            "messages": _messages(talk),
            "tools": [_tool(shape) for shape in tools],
        }
        if self._plan.effort:
            asked["output_config"] = {"effort": self._plan.effort}
        async with self._client.messages.stream(**asked) as stream:
            message = await stream.get_final_message()
        return _answer(message)

    async def close(self) -> None:
        await self._client.close()


def _tool(shape: ToolShape) -> dict[str, Any]:
    return {
        "name": shape.name,
        "description": shape.description,
        "input_schema": dict(shape.schema),
    }


def _messages(talk: Sequence[Entry]) -> list[dict[str, Any]]:
    messages = [_message(entry) for entry in talk]
    # What was said before needn't be paid again in full.
    last = messages[-1]["content"]
    last[-1] = {**last[-1], **_CACHED}
    return messages


def _message(entry: Entry) -> dict[str, Any]:
    if entry.raw is not None:
        return {"role": "assistant", "content": list(entry.raw)}
    if entry.user is not None:
        return {"role": "user", "content": [{"type": "text", "text": entry.user}]}
    results = [
        {
            "type": "tool_result",
            "tool_use_id": result.id,
            "content": result.text,
            "is_error": result.is_error,
        }
        for result in entry.results
    ]
    return {"role": "user", "content": results}


def _answer(message: Any) -> Answer:
    usage = message.usage
    counts = {name: getattr(usage, told, None) or 0 for name, told in _COUNTS.items()}
    calls = tuple(
        Call(block.id, block.name, block.input if isinstance(block.input, dict) else None)
        for block in message.content
        if block.type == "tool_use"
    )
    stop = _STOPS.get(message.stop_reason or "", "tools" if calls else "end")
    raw = message.model_dump(mode="json", exclude_none=True, exclude_unset=True)["content"]
    return Answer(
        raw=raw,
        texts=tuple(block.text for block in message.content if block.type == "text"),
        calls=calls,
        counts=counts,
        stop=stop,
    )
