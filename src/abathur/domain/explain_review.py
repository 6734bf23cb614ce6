"""A task that waits for a person: what is asked, and how to answer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from abathur.domain.facts import Explanation, Facts
from abathur.domain.reviews import Review, ReviewKind, commands
from abathur.domain.wording import count, quote, short, span

SHOWN_COMMITS: Final = 5


def waits_for_review(facts: Facts, review: Review) -> Explanation:
    waited = span(facts.now - review.asked_at)
    text = f"Its work is done and waits for a person's approval, for {waited} so far."
    if conflict := review.data.get("conflict"):
        where, paths = review.data["target"], quote(", ".join(conflict["paths"]))
        text = f"Its work is done, but conflicts with {where} in {paths}; that is left to a person."
    elif removed := review.data.get("rewritten"):
        where, commits = review.data["target"], count(len(removed), "commit")
        text = (
            f"Its work is done, but {where} was moved back or rewritten since it began, and "
            f"landing would bring back {commits}; that is left to a person."
        )
    if review.kind is ReviewKind.PERMISSION:
        text = f"It waits for a person's answer about a permission, for {waited} so far."
    if review.kind is ReviewKind.QUESTION:
        text = (
            f"Its agent asked a person something, and it waits for the answer, for {waited} so far."
        )
    alone = " No swarm runs: `abathur swarm start` goes on after that." if facts.is_alone else ""
    how = commands(review, short(review.id))
    return Explanation(text, tuple(_details(review)), None, f"Run {how}.{alone}")


def landing_evidence(review: Review) -> Iterator[str]:
    """What speaks against landing the work, a line each."""
    if conflict := review.data.get("conflict"):
        yield f"its work is kept at {conflict['salvage_ref']}"
        target = shlex.quote(review.data["target"])
        merge = f"git switch {target} && git merge {conflict['salvage_ref']}"
        yield f"merge it with `{merge}`, then approve; or reject, and an agent does it again"
    removed = review.data.get("rewritten", ())
    for one in removed[:SHOWN_COMMITS]:
        yield f"brings back {one['commit'][:12]}: {quote(one['subject'])}"
    if removed[SHOWN_COMMITS:]:
        yield f"and {len(removed) - SHOWN_COMMITS} more"
    if removed:
        where = review.data["target"]
        yield f"approve to have them back; or reject, and an agent starts from {where} as it is"
    for leak in review.data.get("leaks", ()):
        yield f"looks like a secret: {quote(leak['path'])}:{leak['line']}: {quote(leak['text'])}"


def _details(review: Review) -> Iterator[str]:
    yield f"review {short(review.id)}: {quote(review.question)}"
    if review.kind is ReviewKind.LANDING:
        tree = (review.tree or "")[:12]
        work = review.data.get("work_commit", "")[:12]
        yield f"an approval is for the tree {tree} of commit {work} alone"
        yield f"`abathur diff {short(review.task_id)}` shows the work"
        yield from landing_evidence(review)
    elif review.kind is ReviewKind.QUESTION:
        if context := review.data.get("context"):
            yield quote(context)
        yield f"attempt {review.attempt} asked this and ended; the next one is told the answer"
    else:
        yield f"attempt {review.attempt} was denied this and ended; the next one will be told"
