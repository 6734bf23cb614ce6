"""Loops, iterations and candidates as the JSON that their commands print."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING

from abathur.cli import shape_fields_loops as fields
from abathur.cli.shapes import Json, pick

if TYPE_CHECKING:
    from abathur.domain.iterations import Iteration
    from abathur.domain.runs import Attempt
    from abathur.services.looping import LoopView


def loop_shape(value: LoopView) -> Json:
    best = value.best
    return pick(
        fields.LOOP,
        value,
        task_id=value.task.id,
        status=value.task.status,
        spec=dict(value.loop.spec),
        max_iterations=value.spec.max_iterations,
        best=best.number if best else None,
        stop_as=value.loop.stop_as,
        spent_seconds=value.spent.seconds,
        spent_tokens=value.spent.tokens,
        spent_usd=value.spent.usd,
        iterations=[iteration_shape(one) for one in value.iterations],
    )


def iteration_shape(one: Iteration) -> Json:
    read, verdict = one.reading, one.verdict
    return pick(
        fields.ITERATION,
        one,
        value=read.value if read else None,
        is_met=read.is_met if read else None,
        text=read.text if read else None,
        next=verdict.next if verdict else None,
        why=verdict.why if verdict else None,
    )


def candidates_shape(value: LoopView, at_work: Mapping[int, Attempt]) -> list[Json]:
    made = [
        pick(fields.CANDIDATE, one, **{**_judged(one), "is_winner": one.number == winner(value)})
        for one in value.iterations
    ]
    return sorted([*made, *(_begun(*one) for one in at_work.items())], key=itemgetter("number"))


def _begun(number: int, attempt: Attempt) -> Json:
    empty = dict.fromkeys(fields.CANDIDATE)
    told = {"runtime": attempt.runtime, "model": attempt.model, "work_commit": ""}
    return {**empty, **told, "number": number, "attempt": attempt.number, "is_winner": False}


def winner(value: LoopView) -> int | None:
    """The candidate that lands, or has landed."""
    last = value.measured[-1].verdict if value.measured else None
    return last.number if last is not None and last.next in {"land", "ask"} else None


def _judged(one: Iteration) -> Json:
    seen = one.measurement or {}
    return {
        "is_verified": one.reading.is_met if one.reading else None,
        "score": one.reading.value if one.reading else None,
        "changed_lines": seen.get("diff_lines"),
        "text": one.reading.text if one.reading else None,
    }
