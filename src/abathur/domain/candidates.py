"""Candidates of one task: in which order they ended, and which of them a run makes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from abathur.domain.failures import FailureClass
from abathur.domain.iterations import Iteration, Next
from abathur.domain.loop_feedback import feedback
from abathur.domain.loops.readings import Reading
from abathur.domain.loops.specs import Choice, LoopSpec
from abathur.domain.retry import failure_of, is_refused
from abathur.domain.runs import Attempt, Outcome

BY_CHOICE: Final = frozenset(
    {FailureClass.CONFIGURATION, FailureClass.AUTHENTICATION, FailureClass.MODEL_NOT_FOUND}
)
"""What another runtime or model may not suffer from."""


def in_turn(spec: LoopSpec, iterations: Sequence[Iteration]) -> Sequence[Iteration]:
    """The measured ones, the one that decided last at the end: candidates end in any order."""
    measured = [one for one in iterations if one.verdict is not None]
    return sorted(measured, key=_decided) if spec.candidates else measured


def _decided(one: Iteration) -> tuple[bool, datetime, int]:
    is_final = one.verdict is not None and one.verdict.next is not Next.AGAIN
    return is_final, one.measured_at or one.started_at, one.number


def missing(spec: LoopSpec, done: Collection[int]) -> Sequence[int]:
    return [number for number in range(1, len(spec.candidates) + 1) if number not in done]


def number_for(spec: LoopSpec, measured: Sequence[Iteration], attempt: Attempt | None) -> int:
    """Of the iteration that the attempt makes: what it was told, else the first that isn't made."""
    if len(measured) >= len(spec.candidates):
        return len(measured) + 1
    told = (attempt.feedback or {}).get("iteration") if attempt else None
    if isinstance(told, int):
        return told
    # The first attempt is told nothing, and makes the first one.
    first = missing(spec, {one.number for one in measured})[0]
    return 1 if attempt and attempt.number == 1 else first


def facts(spec: LoopSpec, iterations: Sequence[Iteration], number: int) -> dict[str, Any]:
    """What the run that makes the candidate is told, and goes on from if its work is done."""
    found = {**feedback(spec, None, ()), "iteration": number}
    done = next((one for one in iterations if one.number == number and one.verdict is None), None)
    if done is not None:
        found |= {"work_commit": done.work_commit, "onto": done.base_commit}
    return found


def has_lost(
    spec: LoopSpec, measured: Sequence[Iteration], attempt: Attempt, outcome: Outcome
) -> bool:
    """Whether a run without success is the end of its candidate, and the others go on without it.

    What its provider or its surroundings have done isn't. A runtime or model of its own that
    can't be used is, as long as another candidate may win: else a person is asked.
    """
    number = number_for(spec, measured, attempt)
    if not spec.candidates or number > len(spec.candidates):
        return False
    if not is_refused(outcome):
        return outcome.kind.spends_retry
    is_chosen = spec.candidates[number - 1] != Choice()
    others = len(spec.candidates) - len(measured) > 1
    able = any(one.reading is not None and one.reading.is_met for one in measured)
    return failure_of(outcome) in BY_CHOICE and is_chosen and (others or able)


def lost(
    spec: LoopSpec,
    measured: Sequence[Iteration],
    attempt: Attempt,
    outcome: Outcome,
    now: datetime,
) -> Iteration:
    """A candidate whose run failed: what it left is kept by the salvage ref of its attempt."""
    number = number_for(spec, measured, attempt)
    choice = spec.candidates[number - 1]
    return Iteration(
        task_id=attempt.task_id,
        number=number,
        attempt=attempt.number,
        runtime=attempt.runtime or choice.runtime,
        model=attempt.model or choice.model,
        strategy=None,
        pattern=None,
        target="",
        base_commit="",
        work_commit="",
        tree="",
        started_at=attempt.started_at,
        measured_at=now,
        measurement={"tree": "", "observations": {}, "is_changed": False},
        reading=Reading(
            is_met=False,
            merit=(-1.0,),
            text=f"its run failed: {outcome.message or outcome.kind.value}",
        ),
        verdict=None,
    )
