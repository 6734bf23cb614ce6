"""What it takes to say that work has landed.

A landing brings the head of an attempt's branch (the work commit) onto the target branch. It goes
through `queued -> running`, and ends in one of the other states. It is `landed` only with a proof.

Proof is one of two facts, read from the repository after the ref was moved:

- merged: the target ref resolves to a commit that has the merge commit among its ancestors (or is
  it), and the merge commit contains the work commit: as a parent, or as an ancestor where the
  target had the work before there was anything to merge;
- nothing changed: the work commit's tree equals its base's tree, so there is nothing to contain,
  and the target contains the base.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from abathur.domain.records import record
from abathur.domain.tasks import JsonObject


class LandingState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    """A lander holds it; with `merge_commit` set, the ref may have been moved already."""
    LANDED = "landed"
    NOTHING_CHANGED = "nothing_changed"
    CONFLICTED = "conflicted"
    REJECTED = "rejected"
    """The verify command failed on the merged tree."""
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
    """None when nothing was changed."""
    checked_at: datetime


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
    """For the next attempt: conflicting paths, exit code, tail of the verify command's output."""
