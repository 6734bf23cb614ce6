"""Candidates of one task: in which order they ended, and which of them a run makes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from abathur.domain.iterations import Iteration, Next
from abathur.domain.loop_feedback import feedback
from abathur.domain.loops.specs import LoopSpec
from abathur.domain.runs import Attempt


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
