"""What follows an iteration: it lands, another one is made in some way, or a person is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import Final

from abathur.domain.budgets import EPSILON
from abathur.domain.iterations import Iteration, Next, Verdict
from abathur.domain.loops.patterns import Pattern, compare, recognised
from abathur.domain.loops.readings import Reading, is_unmeasured
from abathur.domain.loops.specs import LoopSpec, Otherwise, Strategy
from abathur.domain.wording import count, span_of

S = Strategy
ANSWERS: Final[Mapping[Pattern, tuple[Strategy, ...]]] = {
    Pattern.FIXED_POINT: (S.OTHER_APPROACH, S.OTHER_MODEL, S.DECOMPOSE, S.FRESH_START, S.ASK),
    Pattern.CYCLE: (S.FRESH_START, S.OTHER_APPROACH, S.OTHER_MODEL, S.DECOMPOSE, S.ASK),
    Pattern.PLATEAU: (S.DECOMPOSE, S.OTHER_APPROACH, S.OTHER_MODEL, S.FRESH_START, S.ASK),
    Pattern.DIVERGENCE: (S.OTHER_APPROACH, S.FRESH_START, S.OTHER_MODEL, S.DECOMPOSE, S.ASK),
}
"""What may help against a pattern. Where nothing is known yet, the first is tried first."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How often a strategy was tried against a pattern, and how often the next one was better."""

    runs: int = 0
    improved: int = 0

    @property
    def expected(self) -> float:
        """The rule of succession (Laplace): a share that a single run can't make 0 or 1."""
        return (self.improved + 1) / (self.runs + 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """By all attempts of the task together."""

    seconds: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    next_usd: float = 0.0
    """What one more attempt is expected to cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    spec: LoopSpec
    iterations: Sequence[Iteration]
    """The measured ones, oldest first."""
    spent: Spent = field(default_factory=Spent)
    evidence: Mapping[tuple[Pattern, Strategy], Evidence] = field(default_factory=dict)
    refused: Collection[str] = ()
    """Work commits that couldn't land."""
    stop_as: Otherwise | None = None
    at_work: int = 0
    """Candidates that are being made beside the newest."""


def decide(now: Situation) -> Verdict:
    """What follows the newest iteration."""
    if now.spec.candidates:
        return _among_candidates(now)
    newest = now.iterations[-1] if now.iterations else None
    if (
        newest
        and newest.reading
        and newest.reading.is_met
        and newest.work_commit not in now.refused
    ):
        return Verdict(
            next=Next.LAND, number=newest.number, why=f"converged: {newest.reading.text}"
        )
    if now.stop_as is not None:
        return _ended(now, "it was asked to stop", now.stop_as)
    if reason := over(now.spec, now.spent, len(now.iterations)):
        return _ended(now, reason, now.spec.otherwise)
    return _next_one(now)


def over(spec: LoopSpec, spent: Spent, iterations: int) -> str | None:
    """Which limit leaves no room for another iteration."""
    if iterations >= spec.max_iterations:
        return f"{count(iterations, 'iteration')} of at most {spec.max_iterations} are made"
    if spec.max_seconds is not None and spent.seconds >= spec.max_seconds:
        return f"{span_of(spent.seconds)} are spent of {span_of(spec.max_seconds)}"
    if spec.max_tokens is not None and spent.tokens >= spec.max_tokens:
        return f"{spent.tokens} tokens are spent of {spec.max_tokens}"
    if spec.max_usd is not None and _is_paid_out(spec.max_usd, spent):
        return f"${spent.usd:.2f} of ${spec.max_usd:.2f} are spent"
    return None


def _is_paid_out(max_usd: float, spent: Spent) -> bool:
    """What is free may go on with a limit of nothing, but not with one that is spent."""
    left = max_usd - spent.usd
    return spent.next_usd > left + EPSILON or (spent.usd > 0 and left <= EPSILON)


def _next_one(now: Situation) -> Verdict:
    if why := _unmeasured(now):
        return _ended(now, why, Otherwise.ASK)
    pattern = recognised(
        [one.tree for one in now.iterations],
        [one.reading.merit for one in now.iterations if one.reading],
        now.spec.window,
    )
    newest = now.iterations[-1]
    told = newest.reading.text if newest.reading else ""
    if pattern is None:
        return Verdict(
            next=Next.AGAIN, number=newest.number, why=told, strategy=S.FEEDBACK, model=newest.model
        )
    strategy = chosen(now, pattern)
    if strategy is S.ASK:
        words = pattern.replace("_", " ")
        return _ended(now, f"{words}, and nothing else is left to try", Otherwise.ASK)
    best = best_of(now.iterations, now.refused)
    return Verdict(
        next=Next.AGAIN,
        number=None if strategy is S.FRESH_START or best is None else best.number,
        why=told,
        pattern=pattern,
        strategy=strategy,
        model=_next_model(now.spec, newest) if strategy is S.OTHER_MODEL else newest.model,
    )


def _unmeasured(now: Situation) -> str:
    """Why going on makes no sense: patterns go by measurements, and there are none."""
    window = now.iterations[-now.spec.window :]
    is_blind = all(is_unmeasured(now.spec, one.measurement or {}) for one in window)
    if len(window) < now.spec.window or not is_blind:
        return ""
    return f"{count(len(window), 'iteration')} in a row couldn't be measured"


def chosen(now: Situation, pattern: Pattern) -> Strategy:
    """The strategy with the best record of this agent type against the pattern.

    One that was tried in this loop since it last got better isn't tried again, so that every loop
    comes to an end; what has helped in the loop may help once more.
    """
    tried = {one.strategy for one in now.iterations[_last_gain(now.iterations) :]}
    open_ones = [
        one
        for one in ANSWERS[pattern]
        if one in now.spec.strategies and one not in tried and one is not S.ASK
    ]
    if not _next_model(now.spec, now.iterations[-1]):
        open_ones = [one for one in open_ones if one is not S.OTHER_MODEL]
    if not open_ones:
        return S.ASK
    known = now.evidence
    return max(open_ones, key=lambda one: known.get((pattern, one), Evidence()).expected)


def _last_gain(iterations: Sequence[Iteration]) -> int:
    """How many iterations there were when one was last better than all before it."""
    gains = [
        index
        for index, one in enumerate(iterations)
        if one.reading is not None and is_improved(one.reading, iterations[:index])
    ]
    return gains[-1] + 1 if gains else 0


def _next_model(spec: LoopSpec, newest: Iteration) -> str | None:
    """The one after the model that ran, round and round; None when there is no other."""
    others = [model for model in spec.models if model != newest.model]
    if newest.model not in spec.models or not others:
        return others[0] if others else None
    after = spec.models.index(newest.model) + 1
    return (spec.models[after:] + spec.models[:after])[0]


def best_of(iterations: Sequence[Iteration], refused: Collection[str]) -> Iteration | None:
    """The one with most merit of those that changed something; of equal ones the newest."""
    able = [one for one in iterations if _is_able(one) and one.work_commit not in refused]
    return max(able, key=cmp_to_key(_order), default=None)


def _is_able(one: Iteration) -> bool:
    return one.reading is not None and bool((one.measurement or {}).get("is_changed", True))


def _order(a: Iteration, b: Iteration) -> int:
    assert a.reading is not None
    assert b.reading is not None
    if a.reading.is_met != b.reading.is_met:
        return 1 if a.reading.is_met else -1
    return compare(a.reading.merit, b.reading.merit) or a.number - b.number


def is_improved(reading: Reading, before: Sequence[Iteration]) -> bool:
    """Whether it is better than everything before it."""
    earlier = [one.reading for one in before if one.reading is not None]
    return reading.is_met or all(compare(reading.merit, one.merit) > 0 for one in earlier)


def _ended(now: Situation, why: str, otherwise: Otherwise) -> Verdict:
    best = best_of(now.iterations, now.refused)
    if best is None or otherwise is Otherwise.FAIL:
        more = "" if best else ", and there is no work that could land"
        return Verdict(next=Next.FAIL, why=f"the loop ended: {why}{more}")
    following = Next.LAND if otherwise is Otherwise.LAND else Next.ASK
    return Verdict(next=following, number=best.number, why=why)


def _among_candidates(now: Situation) -> Verdict:
    """Every candidate is made before one is chosen, unless somebody or a limit ends it earlier."""
    made, choices = len(now.iterations), now.spec.candidates
    if now.at_work:
        why = f"{made} of {count(len(choices), 'candidate')} are made; {now.at_work} at work"
        return Verdict(next=Next.AGAIN, why=why, strategy=S.FRESH_START)
    reason = "it was asked to stop" if now.stop_as else over(now.spec, now.spent, made)
    if reason is None and made < len(choices):
        why = f"{made} of {count(len(choices), 'candidate')} are made"
        return Verdict(next=Next.AGAIN, why=why, strategy=S.FRESH_START)
    best = best_of(now.iterations, now.refused)
    if best is not None and best.reading is not None and best.reading.is_met:
        why = f"candidate {best.number} of {made} is the best: {best.reading.text}"
        return Verdict(next=Next.LAND, number=best.number, why=why)
    return Verdict(
        next=Next.FAIL, why=f"none of {count(made, 'candidate')} could be verified; all are kept"
    )
