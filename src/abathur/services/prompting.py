"""The facts that a prompt is made of."""

from __future__ import annotations

from typing import Final

from abathur.domain.agents import AgentSpec
from abathur.domain.errors import NotFoundError
from abathur.domain.prompts import EarlierFailure, HandedOver, PromptFacts
from abathur.domain.runs import Attempt, OutcomeKind
from abathur.domain.tasks import JsonObject, Task
from abathur.ports.stores import Stores
from abathur.services.claiming import feedback_for

TOLD_FAILURES: Final = 3
FAILED: Final = frozenset({OutcomeKind.FAILED, OutcomeKind.TIMED_OUT, OutcomeKind.SILENT})
MAX_MESSAGE: Final = 500


def prompt_facts(
    stores: Stores, task_id: str, spec: AgentSpec, target: str, attempt: int | None = None
) -> PromptFacts:
    """For that attempt, the newest that runs, or else the next one. Raises `NotFoundError`."""
    task = stores.tasks.get(task_id)
    if task is None:
        raise NotFoundError(f"no task has the id {task_id}")
    attempts = stores.attempts.of_task(task_id)
    newest = attempts[-1] if attempts and attempts[-1].ended_at is None else None
    current = next((one for one in attempts if one.number == attempt), newest)
    number = current.number if current else task.attempt_count + 1
    feedback = current.feedback if current else feedback_for(stores, task, number)
    # Candidates are told nothing of each other.
    is_candidate = bool(feedback and feedback.get("is_candidate"))
    before = [one for one in attempts if one.number < number and not is_candidate]
    return PromptFacts(
        task=task,
        attempt=number,
        target=target,
        feedback=feedback,
        failures=_failures(before),
        prerequisites=tuple(_handed_over(stores, one) for one in _prerequisites(stores, task)),
        schema=_schema(spec),
        servers=server_names(spec),
    )


def _schema(spec: AgentSpec) -> JsonObject | None:
    found: JsonObject | None = spec.settings.get("result_schema")
    return found


def server_names(spec: AgentSpec) -> tuple[str, ...]:
    """Of the servers that the agent type asks for, however they are written down."""
    wanted = spec.settings.get("mcp_servers") or ()
    names = [one if isinstance(one, str) else next(iter(one), "") for one in wanted]
    return tuple(str(name) for name in names if name)


def _failures(before: list[Attempt]) -> tuple[EarlierFailure, ...]:
    """Those at the end of the row; what went wrong before a success or a landing is history."""
    told: list[EarlierFailure] = []
    for attempt in reversed(before):
        if attempt.outcome not in FAILED or len(told) == TOLD_FAILURES:
            break
        message = (attempt.error_message or "")[:MAX_MESSAGE]
        how = attempt.outcome.value.replace("_", " ")
        told.append(EarlierFailure(attempt=attempt.number, how=how, message=message))
    return tuple(reversed(told))


def _prerequisites(stores: Stores, task: Task) -> list[Task]:
    return list(stores.tasks.get_many(task.prerequisites)) if task.prerequisites else []


def _handed_over(stores: Stores, task: Task) -> HandedOver:
    last = stores.attempts.get(task.id, task.attempt_count) if task.attempt_count else None
    return HandedOver(task=task, result=last.result if last else None)
