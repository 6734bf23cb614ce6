"""What agents at work have asked a person: which wait, and what was said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from abathur.domain.reviews import Review, ReviewKind, ReviewState, commands
from abathur.domain.wording import quote, short

MOST_OPEN: Final = 5
"""Questions of one task that wait at the same time."""
ANSWER: Final = "answer"
"""The kind of the feedback of a task that was only answered."""
SAID: Final = {ReviewState.APPROVED: "yes", ReviewState.REJECTED: "no"}
"""What an answer without a comment means."""


def open_ones(reviews: Iterable[Review]) -> Sequence[Review]:
    return [
        one for one in reviews if one.kind is ReviewKind.QUESTION and one.state is ReviewState.OPEN
    ]


def answer(review: Review) -> str | None:
    """The words of whoever answered; None while nobody has."""
    return (review.comment or SAID[review.state]) if review.state in SAID else None


def told(reviews: Iterable[Review]) -> Sequence[dict[str, Any]]:
    """The answered ones, for the next attempt."""
    return [
        {
            "question": one.question,
            "answer": answer(one),
            "refused": one.state is ReviewState.REJECTED,
        }
        for one in reviews
        if one.kind is ReviewKind.QUESTION and one.state in SAID
    ]


def sentences(reviews: Iterable[Review]) -> Iterator[str]:
    """A line for each that was asked, for `abathur why` of a task that goes on."""
    for one in reviews:
        if one.kind is not ReviewKind.QUESTION or one.state is ReviewState.VOID:
            continue
        asked = f"its agent asked: {quote(one.question)}"
        said = answer(one)
        if said is None:
            yield f"{asked}; answer with {commands(one, short(one.id))}"
        else:
            yield f"{asked}; {one.decided_by} answered {quote(said)}"


def answers_text(answers: Iterable[dict[str, Any]]) -> str:
    """For the prompt of the next attempt."""
    lines = [
        f"- {one['question']}\n  {'Refused: ' if one['refused'] else ''}{one['answer']}"
        for one in answers
    ]
    return "\n".join(["A person was asked, and answered:", *lines]) if lines else ""
