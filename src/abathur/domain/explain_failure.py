"""What kind of failure ended the newest attempt, and what a person can do about that kind."""

from __future__ import annotations

from abathur.domain.facts import Facts
from abathur.domain.failures import RULES


def failure_of(facts: Facts) -> tuple[str, ...]:
    """One line, or none when no failure is known."""
    failure = facts.attempt.failure_class if facts.attempt else None
    if failure is None:
        return ()
    advice = RULES[failure].advice
    kind = failure.value.replace("_", " ")
    return (f"kind of failure: {kind}{f'; {advice}' if advice else ''}",)
