"""Models on OpenAI's Chat Completions API or a server that speaks it, by OpenAI's SDK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from abathur.infrastructure.model_agent.openai_client import arguments, made_client
from abathur.infrastructure.model_agent.plan import Plan
from abathur.infrastructure.model_agent.refusals import BrokenAnswerError
from abathur.infrastructure.model_agent.talk import Answer, Call, Entry, ToolShape


class ChatModel:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._client = made_client(plan)

    async def ask(self, system: str, talk: Sequence[Entry], tools: Sequence[ToolShape]) -> Answer:
        plan = self._plan
        asked: dict[str, Any] = {
            "model": plan.model,
            "messages": [
                {"role": "system", "content": system},
                *(message for entry in talk for message in _messages(entry)),
            ],
        }
        if tools:
            asked["tools"] = [_tool(shape) for shape in tools]
        if plan.effort:
            asked["reasoning_effort"] = plan.effort
        if plan.max_output_tokens:
            # OpenAI's newer models take the one, other servers the other.
            name = "max_tokens" if plan.base_url else "max_completion_tokens"
            asked[name] = plan.max_output_tokens
        return _answer(await self._client.chat.completions.create(**asked))

    async def close(self) -> None:
        await self._client.close()


def _tool(shape: ToolShape) -> dict[str, Any]:
    function = {
        "name": shape.name,
        "description": shape.description,
        "parameters": dict(shape.schema),
    }
    return {"type": "function", "function": function}


def _messages(entry: Entry) -> Iterator[dict[str, Any]]:
    if entry.raw is not None:
        yield entry.raw
    elif entry.user is not None:
        yield {"role": "user", "content": entry.user}
    for result in entry.results:
        text = f"Error: {result.text}" if result.is_error else result.text
        yield {"role": "tool", "tool_call_id": result.id, "content": text}


def _answer(completion: Any) -> Answer:
    if not completion.choices:
        raise BrokenAnswerError("the model's answer holds no choice")
    choice = completion.choices[0]
    message = choice.message
    calls = tuple(
        Call(call.id, call.function.name, arguments(call.function.arguments))
        for call in message.tool_calls or ()
        if call.type == "function"
    )
    stops = {"length": "length", "content_filter": "refused"}
    raw = message.model_dump(mode="json", exclude_none=True)
    return Answer(
        raw={"role": "assistant", **raw},
        texts=(message.content,) if message.content else (),
        calls=calls,
        counts=_counts(completion.usage),
        stop=stops.get(choice.finish_reason or "", "tools" if calls else "end"),
    )


def _counts(usage: Any) -> dict[str, int]:
    if usage is None:
        return {}
    cached = getattr(usage.prompt_tokens_details, "cached_tokens", 0) or 0
    return {
        "input_tokens": max(0, usage.prompt_tokens - cached),
        "output_tokens": usage.completion_tokens,
        "cache_read_tokens": cached,
    }
