"""What kinds of failure there are, and what follows from each: one table.

A failure is the task's own doing or it isn't. What isn't spends no retry: the task waits until the
provider answers again, or until a person has mended what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FailureClass(StrEnum):
    CONTEXT_OVERFLOW = "context_overflow"
    """More text than the model takes."""
    CONFIGURATION = "configuration"
    """The agent can't be started as it is set up."""
    AUTHENTICATION = "authentication"
    """Not logged in, a wrong key, or no permission."""
    QUOTA = "quota"
    """The account's allowance for a window of time is used up."""
    CAPACITY = "capacity"
    """The provider is overloaded, or asks to be called less often."""
    SERVER = "server"
    """The provider failed."""
    NETWORK = "network"
    """The provider couldn't be reached."""
    DISK = "disk"
    """There is no room on a disk of the host."""
    MODEL_NOT_FOUND = "model_not_found"
    PROCESS = "process"
    """The agent's program didn't start, died, or ended without a word about the end."""
    AGENT = "agent"
    """The agent gave up, or did what it may not."""
    BUDGET = "budget"
    """It has spent what it may."""
    VERIFICATION = "verification"
    """Its work landed on the check, not on the target."""
    CONFLICT = "conflict"
    """Its work doesn't fit onto the target any more."""


class Reaction(StrEnum):
    RETRY = "retry"
    """Again after a back-off, charged against the task's retries."""
    WAIT = "wait"
    """Again when the provider answers, at no charge."""
    ASK = "ask"
    """A person has to mend something first; then again, at no charge."""
    REWORK = "rework"
    """Back to an agent with the facts, charged against `retry.max_rework`."""


@dataclass(frozen=True, slots=True)
class Rule:
    reaction: Reaction
    most: int | None = None
    """At most so many retries, whatever the task allows."""
    advice: str = ""
    """What a person can do about it."""


RULES: Final[Mapping[FailureClass, Rule]] = {
    FailureClass.CONTEXT_OVERFLOW: Rule(
        Reaction.RETRY,
        # A fresh session may read less, but the same prompt won't become shorter.
        most=1,
        advice="split the task, or shorten its prompt",
    ),
    FailureClass.CONFIGURATION: Rule(
        Reaction.ASK,
        advice="correct .abathur/config.yaml or the agent's definition; "
        "`abathur doctor` tells of its program",
    ),
    FailureClass.AUTHENTICATION: Rule(
        Reaction.ASK, advice="start the agent's program once to log in, or set its API key"
    ),
    FailureClass.QUOTA: Rule(Reaction.WAIT),
    FailureClass.CAPACITY: Rule(Reaction.WAIT),
    FailureClass.SERVER: Rule(Reaction.WAIT),
    FailureClass.NETWORK: Rule(Reaction.WAIT),
    FailureClass.DISK: Rule(Reaction.WAIT, advice="make room on the disk"),
    FailureClass.MODEL_NOT_FOUND: Rule(
        Reaction.ASK,
        advice="name a model that the provider has, under `runtimes:` or for the agent type",
    ),
    FailureClass.PROCESS: Rule(Reaction.RETRY),
    FailureClass.AGENT: Rule(Reaction.RETRY),
    FailureClass.BUDGET: Rule(Reaction.ASK, advice="raise the budget"),
    FailureClass.VERIFICATION: Rule(Reaction.REWORK),
    FailureClass.CONFLICT: Rule(Reaction.REWORK),
}

WAITING: Final = frozenset(kind for kind, rule in RULES.items() if rule.reaction is Reaction.WAIT)
"""The doing of a provider, or of the host: they use up its pool for a while."""
ASKING: Final = frozenset(kind for kind, rule in RULES.items() if rule.reaction is Reaction.ASK)

MAX_GUESSED_WAITS: Final = 3
"""Waits in a row that a mere guess is good for: a text may say 429 about something else."""


_BY_STATUS: Final[Mapping[int, FailureClass]] = {
    401: FailureClass.AUTHENTICATION,
    402: FailureClass.QUOTA,
    403: FailureClass.AUTHENTICATION,
    408: FailureClass.NETWORK,
    413: FailureClass.CONTEXT_OVERFLOW,
    429: FailureClass.CAPACITY,
    503: FailureClass.CAPACITY,
    529: FailureClass.CAPACITY,
}


def by_status(status: int | None) -> FailureClass | None:
    """What a status of HTTP means, None when that depends: a 404 may be about anything."""
    if status is None:
        return None
    known = _BY_STATUS.get(status)
    return known or (FailureClass.SERVER if 500 <= status <= 599 else None)
