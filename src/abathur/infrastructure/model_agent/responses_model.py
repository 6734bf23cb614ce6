"""Models on OpenAI's Responses API, by its own SDK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from abathur.infrastructure.model_agent.openai_client import arguments, made_client
from abathur.infrastructure.model_agent.plan import Plan
from abathur.infrastructure.model_agent.refusals import BrokenAnswerError
from abathur.infrastructure.model_agent.talk import Answer, Call, Entry, ToolShape


class ResponsesModel:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._client = made_client(plan)

    async def ask(self, system: str, talk: Sequence[Entry], tools: Sequence[ToolShape]) -> Answer:
        plan = self._plan
        asked: dict[str, Any] = {
            "model": plan.model,
            "instructions": system,
            "input": [item for entry in talk for item in _items(entry)],
            "tools": [_tool(shape) for shape in tools],
            "store": False,
        }
        if plan.base_url is None:
            # Nothing is stored there, so what it thought has to be sent along.
            asked["include"] = ["reasoning.encrypted_content"]
            asked["prompt_cache_key"] = plan.session_id
        if plan.effort:
            asked["reasoning"] = {"effort": plan.effort}
        if plan.max_output_tokens:
            asked["max_output_tokens"] = plan.max_output_tokens
        return _answer(await self._client.responses.create(**asked))

    async def close(self) -> None:
        await self._client.close()


def _tool(shape: ToolShape) -> dict[str, Any]:
    return {
        "type": "function",
        "name": shape.name,
        "description": shape.description,
        "parameters": dict(shape.schema),
        "strict": False,
    }


def _items(entry: Entry) -> Iterator[dict[str, Any]]:
    if entry.raw is not None:
        yield from entry.raw
    elif entry.user is not None:
        yield {"role": "user", "content": entry.user}
    for result in entry.results:
        output = f"Error: {result.text}" if result.is_error else result.text
        yield {"type": "function_call_output", "call_id": result.id, "output": output}


def _answer(response: Any) -> Answer:
    if response.status == "failed":
        error = response.error
        raise BrokenAnswerError(error.message, error.code) if error else BrokenAnswerError("failed")
    calls = tuple(
        Call(item.call_id, item.name, arguments(item.arguments))
        for item in response.output
        if item.type == "function_call"
    )
    details = response.incomplete_details
    reason = details.reason if response.status == "incomplete" and details else None
    stops = {"max_output_tokens": "length", "content_filter": "refused"}
    return Answer(
        raw=[item.model_dump(mode="json", exclude_none=True) for item in response.output],
        texts=tuple(_texts(response.output)),
        calls=calls,
        counts=_counts(response.usage),
        stop=stops.get(reason or "", "tools" if calls else "end"),
    )


def _texts(output: Sequence[Any]) -> Iterator[str]:
    for item in output:
        if item.type == "message":
            yield from (part.text for part in item.content if part.type == "output_text")


def _counts(usage: Any) -> dict[str, int]:
    if usage is None:
        return {}
    cached = getattr(usage.input_tokens_details, "cached_tokens", 0) or 0
    return {
        "input_tokens": max(0, usage.input_tokens - cached),
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": cached,
    }
