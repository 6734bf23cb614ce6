"""Questions to a person, and answers that hold for exactly what was shown.

A review goes `open -> approved | rejected | void`; an approved one can become void too. What it
was asked about stands in `tree` and `data`, and never changes: other work is another question.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from abathur.domain.records import record
from abathur.domain.tasks import JsonObject
from abathur.domain.wording import count, quote

REJECTION: Final = "review"
"""The kind of the facts of a landing that a person has rejected."""
REWRITTEN: Final = "rewritten"
"""The kind of the facts of a landing on a target that has lost what the work began on."""
SHOWN_PATHS: Final = 5
AGENT_PREFIX: Final = "agent:"
"""Before an agent type, among patterns of targets: no branch has a colon in its name."""


class ReviewKind(StrEnum):
    LANDING = "landing"
    """May this work land? Holds the landing of one attempt."""
    PERMISSION = "permission"
    """May the agent use a tool that it was denied? Holds the task."""
    QUESTION = "question"
    """What an agent at work wants to know. Holds the task once its run has ended without success
    before the answer."""


class ReviewState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"
    """No longer about anything: there is other work, or the task was cancelled."""


@record
class Review:
    id: str
    task_id: str
    attempt: int
    """The one that made the work, or that was denied something."""
    kind: ReviewKind
    tree: str | None
    """Of the work commit, for a landing: what an approval is good for."""
    question: str
    """One line for a person. That of an agent is its own text, without secrets."""
    data: JsonObject
    """For a landing: `landing_id`, `target`, `target_commit` (where the target was when it was
    asked), `base_commit`, `work_commit`; `made_by`, where an earlier attempt made the work;
    `conflict` (`paths`, `message`, `onto`, `salvage_ref`)
    when it doesn't fit onto the target; `rewritten`, a list of `commit` and `subject`, when it
    would bring back what was removed from the target; `leaks`, a list of `path`, `line` and `text`,
    when it adds what looks like a secret. For a permission: `denied`, a list of `tool`, `input` and
    `rule`; and `allowed`, the rules that were approved. For a question: `context`, what the agent
    told besides."""
    state: ReviewState
    comment: str | None
    """Of whoever decided; for a void one, what made it void."""
    asked_at: datetime
    decided_at: datetime | None
    decided_by: str | None


def is_required(required_for: Iterable[str], target: str, agent_type: str) -> bool:
    """Whether a person has to approve what this agent type made for this target.

    Patterns are shell-like, with `*` for any text; `agent:NAME` is about agent types.
    """
    for pattern in required_for:
        if pattern.startswith(AGENT_PREFIX):
            if fnmatchcase(agent_type, pattern.removeprefix(AGENT_PREFIX)):
                return True
        elif fnmatchcase(target, pattern):
            return True
    return False


def landing_question(attempt: int, target: str, evidence: JsonObject) -> str:
    question = f"May the work of attempt {attempt} land on {target}"
    conflict = evidence.get("conflict")
    if conflict:
        shown = ", ".join(quote(path) for path in conflict["paths"][:SHOWN_PATHS])
        more = " …" if len(conflict["paths"]) > SHOWN_PATHS else ""
        return f"{question}, with which it conflicts in {shown}{more}?"
    if removed := evidence.get("rewritten"):
        commits = count(len(removed), "commit")
        return f"{question}, although that brings back {commits} that {target} has no more?"
    if evidence.get("leaks"):
        return f"{question}, although it adds what looks like a secret?"
    return f"{question}?"


def commands(review: Review, short_id: str) -> str:
    """How to answer, in one line."""
    if review.kind is ReviewKind.QUESTION:
        return (
            f"`abathur review answer {short_id} ANSWER` "
            f"or `abathur review reject {short_id} --comment WHY`"
        )
    return (
        f"`abathur review show {short_id}`, then `abathur review approve {short_id}` "
        f"or `abathur review reject {short_id} --comment TEXT`"
    )
