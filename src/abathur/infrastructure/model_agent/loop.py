"""The loop: ask the model, let it use its tools, until it has nothing more to do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from abathur.domain.failures import FailureClass
from abathur.infrastructure.model_agent.permissions import Permissions
from abathur.infrastructure.model_agent.places import ToolError
from abathur.infrastructure.model_agent.plan import Plan, Spent
from abathur.infrastructure.model_agent.refusals import Refusal, read_refusal
from abathur.infrastructure.model_agent.talk import Answer, Call, Entry, Model, Result, Session
from abathur.infrastructure.model_agent.telling import tell
from abathur.infrastructure.model_agent.tools import Tool

LONGEST_WAIT: Final = 10.0
"""Seconds until a refused request is repeated; the queue waits better than we do."""
MAX_NUDGES: Final = 3
MAX_SHOWN: Final = 2_000


@dataclass(frozen=True, slots=True)
class End:
    """The last word about the run."""

    text: str
    failure: FailureClass | None = None
    """None when it ended as it should."""
    status: int | None = None
    retry_after_seconds: float | None = None


class Loop:
    def __init__(
        self,
        plan: Plan,
        model: Model,
        tools: Mapping[str, Tool],
        permissions: Permissions,
        session: Session,
    ) -> None:
        self._plan, self._model, self._session = plan, model, session
        self._permissions = permissions
        self._tools = {name: tool for name, tool in tools.items() if permissions.has(name)}
        self._nudges = 0
        self.spent = Spent(plan.rates)
        self.denied: list[dict[str, Any]] = []

    async def run(self, system: str) -> End:
        turns = 0
        while True:
            if over := self._over(turns):
                return over
            answer = await self._ask(system)
            if isinstance(answer, Refusal):
                return End(
                    answer.message, answer.failure, answer.status, answer.retry_after_seconds
                )
            turns += 1
            self._tell(answer)
            self._session.add(Entry(raw=answer.raw))
            if answer.calls:
                self._session.add(Entry(results=await self._use_all(answer)))
            elif end := self._ended(answer):
                return end

    async def _ask(self, system: str) -> Answer | Refusal:
        shapes = [tool.shape for tool in self._tools.values()]
        for again in range(self._plan.retries + 1):
            try:
                return await self._model.ask(system, self._session.entries, shapes)
            except Exception as error:  # SDKs raise more than they say; all of it means no answer
                refusal = read_refusal(error)
            wait = self._wait(refusal, again)
            if wait is None:
                break
            tell("warning", f"asking again in {wait:g} s: {refusal.message}", retry=True)
            await asyncio.sleep(wait)
        return refusal

    def _wait(self, refusal: Refusal, again: int) -> float | None:
        """Seconds until it is tried again; None when it isn't."""
        told = refusal.retry_after_seconds
        wait = told if told is not None else self._plan.retry_seconds * 2**again
        may = refusal.is_passing and again < self._plan.retries and wait <= LONGEST_WAIT
        return wait if may else None

    def _over(self, turns: int) -> End | None:
        plan, spent = self._plan, self.spent
        if plan.max_turns is not None and turns >= plan.max_turns:
            told = f"ended after {turns} turns, the most it may take; raise max_turns"
            return End(told, FailureClass.AGENT)
        if plan.max_tokens is not None and spent.tokens >= plan.max_tokens:
            told = f"used {spent.tokens} tokens, and may use {plan.max_tokens}; raise max_tokens"
            return End(told, FailureClass.BUDGET)
        cost = spent.cost_usd
        if plan.max_budget_usd is not None and cost is not None and cost >= plan.max_budget_usd:
            told = f"spent ${cost:.2f}, and may spend ${plan.max_budget_usd:.2f}; raise its budget"
            return End(told, FailureClass.BUDGET)
        return None

    def _tell(self, answer: Answer) -> None:
        for text in answer.texts:
            if text.strip():
                tell("text", text)
        if answer.counts:
            cost = self.spent.add(answer.counts)
            counts: dict[str, Any] = {**answer.counts}
            if cost is None:
                tell("usage", f"{sum(answer.counts.values()):,} tokens", **counts)
            else:
                tell("usage", f"${cost:.4f}", **counts, cost_usd=cost)

    def _ended(self, answer: Answer) -> End | None:
        """None when the model is to go on."""
        said = "\n".join(answer.texts).strip()
        if answer.stop == "refused":
            return End(said or "the model refused to answer", FailureClass.AGENT)
        more = {"length": "Go on where you were cut off.", "pause": "Go on."}.get(answer.stop)
        if more is None and not said:
            more = "Say in a few words what you did."
        if more is None or self._nudges >= MAX_NUDGES:
            cut = answer.stop == "length"
            told = "the model's answers were cut off again and again; raise max_output_tokens"
            return End(told, FailureClass.AGENT) if cut else End(said)
        self._nudges += 1
        self._session.add(Entry(user=more))
        return None

    async def _use_all(self, answer: Answer) -> tuple[Result, ...]:
        cut = answer.stop == "length"
        return tuple([await self._use(call, is_cut=cut) for call in answer.calls])

    async def _use(self, call: Call, *, is_cut: bool) -> Result:
        given = call.arguments
        tell("tool_use", _shown(call), call=call.id, tool=call.name, input=_bounded(given))
        try:
            text, failed = await self._result(call, is_cut=is_cut), False
        except ToolError as error:
            text, failed = str(error), True
        tell("tool_result", text[:MAX_SHOWN], call=call.id, is_error=failed)
        return Result(call.id, text, failed)

    async def _result(self, call: Call, *, is_cut: bool) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolError(f"there is no tool `{call.name}`; there are {', '.join(self._tools)}")
        if call.arguments is None or is_cut:
            raise ToolError("the arguments didn't arrive as a JSON object; send them again")
        if refused := self._permissions.refusal(call.name, call.arguments):
            self._note_denial(call, refused)
            raise ToolError(f"not allowed: {refused}")
        try:
            return await tool.use(call.arguments)
        except (OSError, ValueError, RecursionError) as error:
            raise ToolError(f"`{call.name}` failed: {error}") from error

    def _note_denial(self, call: Call, why: str) -> None:
        command = str((call.arguments or {}).get("command", ""))
        denial = {
            "tool": call.name,
            "rule": f"{call.name}({command})",
            "input": _bounded(call.arguments),
        }
        tell("denied", f"{call.name}: {why}", tool=call.name)
        if denial not in self.denied and len(self.denied) < 20:
            self.denied.append(denial)


def _shown(call: Call) -> str:
    given = call.arguments or {}
    for key in ("file_path", "command", "pattern", "path", "url"):
        if isinstance(value := given.get(key), str):
            return f"{call.name}: {value[:MAX_SHOWN]}"
    return call.name


def _bounded(value: Any) -> Any:
    """What a person wants to see of the arguments: not a whole file."""
    if isinstance(value, Mapping):
        return {str(key): _bounded(item) for key, item in list(value.items())[:50]}
    if isinstance(value, list):
        return [_bounded(item) for item in value[:50]]
    return value[:MAX_SHOWN] if isinstance(value, str) else value
