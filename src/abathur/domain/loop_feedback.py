"""What the agent of the next iteration is told, and how a history looks to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from abathur.domain.iterations import Iteration, Verdict
from abathur.domain.loops.readings import MAX_REASONS
from abathur.domain.loops.specs import LoopSpec, Strategy
from abathur.domain.splitting import JOIN, SPLIT
from abathur.domain.tasks import JsonObject

ITERATION: Final = "iteration"
"""The kind of the feedback."""
BARS: Final = "▁▂▃▄▅▆▇█"
SHOWN: Final = 10
"""Iterations that the agent is told of."""
MAX_OUTPUT: Final = 3000

HOW: Final[dict[Strategy, str]] = {
    Strategy.FEEDBACK: "Go on from the work as it is.",
    Strategy.FRESH_START: "Start again from a clean tree, and do it in another way than before.",
    Strategy.OTHER_APPROACH: (
        "What was done last led nowhere. You start from the best work so far: choose a different "
        "approach than the iterations listed below."
    ),
    Strategy.DECOMPOSE: (
        "All at once led nowhere. You start from the best work so far: do the smallest useful step "
        "of what is left, and do it well. The others follow later."
    ),
    Strategy.OTHER_MODEL: "You start from the best work so far, which another model has made.",
}


ASKED_FOR_PARTS: Final = (
    "All at once led nowhere, so don't do the task now: split what is left into 2 to 20 small "
    "tasks, each of which makes sense and can be verified alone. Other agents do them, each starts "
    "from the target and lands there by itself; then this task goes on from what they have made. "
    "Your files show the best work so far, and aren't kept. Queue the parts with "
    "`task_enqueue_many`, or hand them in as `deliverables.tasks` of your result: a list of "
    '{"name": ..., "description": ..., "needs": [names], "agent_type": ...}, where only the '
    "description is needed: it has to stand by itself. Name no parts if it can't be split."
)
JOINED: Final = (
    "The task was split, and its parts have landed on the target, from which you start: {parts}. "
    "Do what is still missing."
)
LOST: Final = (
    "Of the parts that the task was split into, these weren't done, and nobody works on them any "
    "more: {parts}. What they were for and is still wanted is yours to do."
)


def feedback(
    spec: LoopSpec, verdict: Verdict | None, iterations: Sequence[Iteration]
) -> dict[str, Any]:
    """For the attempt that makes the next iteration, as JSON."""
    by_number = {one.number: one for one in iterations}
    start = by_number.get(verdict.number) if verdict and verdict.number else None
    facts: dict[str, Any] = {
        "kind": ITERATION,
        "iteration": len(iterations) + 1,
        "max_iterations": spec.max_iterations,
        "is_candidate": bool(spec.candidates),
        "history": [_told(one) for one in iterations[-SHOWN:]],
    }
    if verdict is not None:
        facts |= {
            "strategy": verdict.strategy,
            "pattern": verdict.pattern,
            "runtime": verdict.runtime,
            "model": verdict.model,
        }
    if start is not None:
        facts |= {"work_commit": start.work_commit, "onto": start.base_commit}
    if iterations and not spec.candidates:
        facts["output"] = _output(iterations[-1])
    return facts


def _told(one: Iteration) -> dict[str, Any]:
    reading = one.reading
    return {
        "iteration": one.number,
        "strategy": one.strategy,
        "value": reading.value if reading else None,
        "text": reading.text[:MAX_REASONS] if reading else "",
    }


def _output(one: Iteration) -> str:
    """The end of what the programs said that aren't content."""
    seen = (one.measurement or {}).get("observations", {})
    words = [
        f"{o.get('output', '')}\n{o.get('errors', '')}".strip()
        for o in seen.values()
        if o.get("exit_code") != 0 or o.get("error")
    ]
    return "\n\n".join(word for word in words if word)[-MAX_OUTPUT:]


def iteration_text(facts: JsonObject) -> str:
    """In words, for the prompt. Candidates aren't told of one another."""
    if facts.get("is_candidate"):
        return ""
    history = facts.get("history") or ()
    head = f"This is iteration {facts['iteration']} of at most {facts['max_iterations']}."
    if not history:
        return f"{head} Your work is measured when you end, and you may be asked to improve it."
    lines = [f"- iteration {one['iteration']}: {one['text']}" for one in history]
    how = _how(facts)
    parts = [f"{head} {how}".strip(), "What was measured so far:", "\n".join(lines)]
    if facts.get("output"):
        parts.append(f"What the measuring programs said last:\n\n```\n{facts['output']}\n```")
    return "\n\n".join(parts)


def _how(facts: JsonObject) -> str:
    if facts.get("phase") == SPLIT:
        return ASKED_FOR_PARTS
    if facts.get("phase") == JOIN:
        told = [JOINED.format(parts="; ".join(facts.get("parts", ())))]
    else:
        told = [HOW.get(Strategy(facts["strategy"]), "") if facts.get("strategy") else ""]
    if lost := facts.get("lost_parts"):
        told.append(LOST.format(parts="; ".join(lost)))
    return " ".join(one for one in told if one)


def sparkline(values: Sequence[float | None]) -> str:
    """One bar for each value, between the smallest and the largest; a dot where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return "·" * len(values)
    low, high = min(known), max(known)
    return "".join("·" if value is None else _bar(value, low, high) for value in values)


def _bar(value: float, low: float, high: float) -> str:
    if high <= low:
        return BARS[len(BARS) // 2]
    share = (value - low) / (high - low)
    return BARS[min(len(BARS) - 1, int(share * len(BARS)))]
