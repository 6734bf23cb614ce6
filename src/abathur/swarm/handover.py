"""What an agent hands over at the end of its run, and the one question when it can't be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from abathur.domain.agents import AgentSpec
from abathur.domain.errors import DatabaseError, InvalidInputError
from abathur.domain.failures import FailureClass
from abathur.domain.result_text import result_in
from abathur.domain.results import (
    ExecutionStatus,
    ResultCheck,
    ResultOrigin,
    SchemaCheck,
    TaskResult,
    checked,
    reason_of,
)
from abathur.domain.runs import Outcome, OutcomeKind, Usage, added
from abathur.domain.tasks import JsonObject
from abathur.swarm.parts import Parts
from abathur.swarm.prompting import is_briefed
from abathur.swarm.state import Run

MAX_QUOTED: Final = 20_000
"""Characters of an unreadable answer that are shown to its agent again, or kept."""

MISSING: Final = TaskResult(
    content={}, origin=ResultOrigin.TEXT, check=ResultCheck.INVALID, problem="there was no result"
)

Ask = Callable[[str], Awaitable[Outcome]]
"""A short run with this prompt, which goes on with the session where that is possible."""

QUESTION: Final = """\
# Your result can't be used as it is

You have finished a task, and your result is needed as one JSON object. What you gave has a mistake:

{problem}

What you gave:

```
{given}
```

# What to do

Answer with the corrected JSON object in a code block, and nothing else. Keep what it says. Change
no file, and run nothing.
{schema}"""
SCHEMA: Final = """
It has to meet this JSON schema:

```json
{schema}
```
"""


async def settled(parts: Parts, run: Run, spec: AgentSpec, outcome: Outcome, ask: Ask) -> Outcome:
    """The outcome with the result that counts, and with what the agent itself says about it.

    A valid report by a call comes first, then the last words, then the answer to the question.
    What stays invalid is kept as it was given, and marked.
    """
    schema = schema_of(parts, spec)
    told = _told(outcome.result_data, schema)
    try:
        called = await _called(parts, run)
    except DatabaseError:
        # What was told by a call stays with the attempt, unless there is something better.
        called, told = None, told if told and told.is_structured else None
    best = _best(called, told)
    if outcome.kind is OutcomeKind.SUCCEEDED and _is_to_be_asked(best, schema, spec):
        outcome, best = await _repaired(outcome, best, schema, spec, ask)
    if best is None and schema is not None and outcome.kind is OutcomeKind.SUCCEEDED:
        best = MISSING
    return _decided(outcome, best)


def schema_of(parts: Parts, spec: AgentSpec) -> SchemaCheck | None:
    """Raises `ConfigError` when it can't be used."""
    given = spec.settings.get("result_schema")
    return parts.compile_schema(given) if given else None


async def _called(parts: Parts, run: Run) -> TaskResult | None:
    task_id, number = run.key
    attempt = await parts.db.read(lambda stores: stores.attempts.get(task_id, number))
    return attempt.result if attempt else None


def _told(data: JsonObject | None, schema: SchemaCheck | None) -> TaskResult | None:
    if data is None:
        return None
    text = data.get("text")
    content = data
    if isinstance(text, str) and data.keys() == {"text"}:
        content = result_in(text, any_object=schema is not None) or data
    return read(content, ResultOrigin.TEXT, schema)


def read(content: JsonObject, origin: ResultOrigin, schema: SchemaCheck | None) -> TaskResult:
    """As `checked`; what is too long is cut and marked."""
    try:
        found = checked(content, origin, schema)
    except InvalidInputError as error:
        cut = {"text": str(dict(content))[:MAX_QUOTED]}
        return TaskResult(content=cut, origin=origin, check=ResultCheck.INVALID, problem=str(error))
    if schema is not None and content.keys() == {"text"}:
        problem = "it is no JSON object"
        return replace(found, check=ResultCheck.INVALID, problem=problem)
    return found


def _best(called: TaskResult | None, told: TaskResult | None) -> TaskResult | None:
    for one in (called, told):
        if one is not None and one.check is not ResultCheck.INVALID:
            # Mere words are no answer to a report that only has a mistake.
            if one is told and called is not None and not one.is_structured:
                return called
            return one
    return called or told


def _is_to_be_asked(best: TaskResult | None, schema: SchemaCheck | None, spec: AgentSpec) -> bool:
    """Only who is told how to report can be asked to do it better."""
    if not is_briefed(spec):
        return False
    return best.check is ResultCheck.INVALID if best else schema is not None


async def _repaired(
    outcome: Outcome,
    best: TaskResult | None,
    schema: SchemaCheck | None,
    spec: AgentSpec,
    ask: Ask,
) -> tuple[Outcome, TaskResult | None]:
    answer = await ask(_question(best, spec.settings.get("result_schema")))
    outcome = replace(outcome, usage=_usage(outcome, answer))
    if answer.kind is OutcomeKind.RELEASED:
        return replace(answer, usage=outcome.usage), best
    found = _told(answer.result_data, schema)
    if found is None or found.check is ResultCheck.INVALID or not found.content:
        return outcome, best
    if found.content.keys() == {"text"}:
        return outcome, best
    return outcome, replace(found, origin=ResultOrigin.REPAIR)


def _usage(outcome: Outcome, answer: Outcome) -> Usage | None:
    """Of both runs; a program that counts over its session has told both at the second end."""
    if answer.is_session_usage and answer.usage is not None:
        return answer.usage
    both = added(outcome.usage, answer.usage)
    if both is not None and answer.is_session_cost and answer.usage is not None:
        return replace(both, cost_usd=answer.usage.cost_usd)
    return both


def _question(best: TaskResult | None, schema: JsonObject | None) -> str:
    import json

    content: Any = best.content if best else {}
    is_text = isinstance(content.get("text"), str) and content.keys() == {"text"}
    given = content["text"] if is_text else json.dumps(content, indent=2, ensure_ascii=False)
    needed = SCHEMA.format(schema=json.dumps(schema, indent=2, ensure_ascii=False))
    return QUESTION.format(
        problem=(best or MISSING).problem,
        given=given[-MAX_QUOTED:],
        schema=needed if schema else "",
    )


def _decided(outcome: Outcome, best: TaskResult | None) -> Outcome:
    if best is None:
        return outcome
    settled = replace(outcome, result=best)
    if outcome.kind is not OutcomeKind.SUCCEEDED:
        return settled
    settled = replace(settled, result_data=best.content)
    if best.status is not ExecutionStatus.FAILURE:
        return settled
    return replace(
        settled,
        kind=OutcomeKind.FAILED,
        message=f"the agent reports that it failed: {reason_of(best.content)}",
        failure=FailureClass.AGENT,
    )
