"""A task that waits for a person: what is asked, and how to answer."""

from __future__ import annotations

from collections.abc import Iterator

from abathur.domain.facts import Explanation, Facts
from abathur.domain.reviews import Review, ReviewKind, commands
from abathur.domain.wording import quote, span

SHORT_ID = 13


def waits_for_review(facts: Facts, review: Review) -> Explanation:
    waited = span(facts.now - review.asked_at)
    text = f"Its work is done and waits for a person's approval, for {waited} so far."
    if review.kind is ReviewKind.PERMISSION:
        text = f"It waits for a person's answer about a permission, for {waited} so far."
    alone = " No swarm runs: `abathur swarm start` goes on after that." if facts.is_alone else ""
    how = commands(review, review.id[:SHORT_ID])
    return Explanation(text, tuple(_details(review)), None, f"Run {how}.{alone}")


def _details(review: Review) -> Iterator[str]:
    yield f"review {review.id}: {quote(review.question)}"
    if review.kind is ReviewKind.LANDING:
        tree = (review.tree or "")[:12]
        work = review.data.get("work_commit", "")[:12]
        yield f"an approval is for the tree {tree} of commit {work} alone"
        yield f"`abathur diff {review.task_id}` shows the work"
    else:
        yield f"attempt {review.attempt} was denied this and ended; the next one will be told"
