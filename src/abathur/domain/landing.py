"""What it takes to say that work has landed.

A landing brings the head of an attempt's branch (the work commit) onto the target branch. It goes
through `queued -> running`, and ends in one of the other states. It is `landed` only with a proof.

Several landings of one target are brought on together, as a batch. Each has a commit of its own
that brings its work (`merge_commit`, whatever the strategy), and all of them are on the line from
the place where the target was to the place where it goes, so each has a proof of its own.

Proof is one of these, read from the repository after the ref was moved:

- merged: the target ref resolves to a commit that has the merge commit among its ancestors (or is
  it), and the merge commit contains the work commit: as a parent, or as an ancestor where the
  target had the work before there was anything to merge;
- squashed or rebased: the target contains the landing's commit in the same way, that commit names
  the work commit in its message, and its tree is the very tree that merging the work into the
  commit below (`onto`) gives, so nothing of the work is left out and nothing else is in it. The
  work commit itself isn't in the target's history, and is kept by a ref of its own;
- nothing changed: the work commit's tree equals its base's tree, so there is nothing to contain,
  and the target contains the base.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from abathur.domain.records import record
from abathur.domain.tasks import JsonObject

LANDED_PREFIX: Final = "refs/abathur/landed"
WORK_TRAILER: Final = "Abathur-Work"
"""Names the work commit in the message of one that was squashed or rebased."""


class Strategy(StrEnum):
    """How work becomes a part of the target's history."""

    MERGE = "merge"
    """A merge commit, also where the work is just ahead."""
    SQUASH = "squash"
    """One commit with all of it."""
    REBASE = "rebase"
    """The agent's commits one by one, without merges."""


def landed_ref(task_id: str, attempt: int) -> str:
    """Where work is kept whose own commit isn't in the target's history."""
    return f"{LANDED_PREFIX}/{task_id}/{attempt}"


def message_of(summary: str, task_id: str, attempt: int) -> str:
    """Of the commit that brings a task's work."""
    return f"{summary}\n\nAbathur-Task: {task_id}\nAbathur-Attempt: {attempt}\n"


class LandingState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    """A lander holds it; with `merge_commit` set, the ref may have been moved already."""
    LANDED = "landed"
    NOTHING_CHANGED = "nothing_changed"
    CONFLICTED = "conflicted"
    REJECTED = "rejected"
    """A gate failed on the merged tree."""
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in {LandingState.QUEUED, LandingState.RUNNING}

    @property
    def is_success(self) -> bool:
        return self in {LandingState.LANDED, LandingState.NOTHING_CHANGED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Evidence that a target contains the work, as it was found in the repository."""

    target: str
    target_commit: str
    work_commit: str
    merge_commit: str | None
    """The commit that brought it, by whichever strategy; None when nothing was changed."""
    checked_at: datetime
    strategy: Strategy = Strategy.MERGE
    work_ref: str | None = None
    """The ref that keeps the work commit, where the target's history doesn't."""


@record
class Landing:
    id: str
    task_id: str
    attempt: int
    target: str
    """Name of the branch, without `refs/heads/`."""
    base_commit: str
    work_commit: str
    state: LandingState
    rank: int
    worker_id: str | None
    lease_until: datetime | None
    fence: int
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    target_before: str | None
    merge_commit: str | None
    """Written before the ref is moved, so that a crash in between can be told from one before."""
    verify_log: str | None
    detail: str | None
    """One line for a person: why it was refused, or what became of their working tree."""
    proof: Proof | None
    facts: JsonObject | None
    """For the next attempt: conflicting paths, exit code, tail of the gate's output."""
    strategy: Strategy = Strategy.MERGE
    """Of the announced commit; it may differ from what is configured."""
    onto: str | None = None
    """The commit below the announced one: the target's, or that of the landing before it."""
    batch: str | None = None
    """While it is running: the id of the first landing of those that are brought on together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A commit that a target is about to be moved to, or past."""

    landing: Landing
    target_before: str
    merge_commit: str
    strategy: Strategy = Strategy.MERGE
    onto: str | None = None
