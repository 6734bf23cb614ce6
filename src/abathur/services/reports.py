"""Bringing a report from the spool into the queue: once, under its fence, or as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from abathur.domain.audit import Action
from abathur.domain.errors import InvalidInputError
from abathur.domain.plain import plain, typed
from abathur.domain.retry import RetryPolicy
from abathur.domain.runs import Attempt, LateReport, OutcomeKind, RunEvent
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores
from abathur.services import accounting, running, trail
from abathur.services.claiming import actor_of
from abathur.services.running import Holder, Report

TAKEN_AWAY: Final = frozenset({OutcomeKind.LOST, OutcomeKind.CANCELLED})
"""Outcomes that others give an attempt. Any other comes from its own report."""


class Fate(StrEnum):
    """What becomes of a report."""

    APPLIED = "applied"
    ALREADY = "already"
    """It was applied before; nothing was changed."""
    LATE = "late"
    """Its lease was lost; it is kept as evidence."""
    UNKNOWN = "unknown"
    """This queue has no such attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledReport:
    """A report with all that the queue doesn't have yet of its run."""

    holder: Holder
    ended_at: datetime
    report: Report
    start: str | None = None
    """What was checked out for the run: a head that is still there says that nothing was made."""
    events: tuple[tuple[int, datetime, RunEvent], ...] = ()

    @property
    def name(self) -> str:
        """One for each claim, so that writing it twice makes one entry."""
        return f"{self.holder.task_id}.{self.holder.number}.{self.holder.fence}"


def packed(spooled: SpooledReport) -> dict[str, Any]:
    """As JSON, without the rules of money and memory: they are those of whoever applies it."""
    return {"format": 1, **plain(replace(spooled, report=_told(spooled.report)))}


def _told(report: Report) -> Report:
    return replace(report, spending=None, remembering=None)


def unpacked(content: Mapping[str, Any]) -> SpooledReport:
    """Raises `InvalidInputError` when the content isn't a report that this version knows."""
    if content.get("format") != 1:
        raise InvalidInputError(f"its format is {content.get('format')!r:.20}, not 1")
    try:
        found: SpooledReport = typed(SpooledReport, content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"it isn't a report ({type(error).__name__}: {error})") from error
    holder = found.holder
    if [type(one) for one in (holder.task_id, holder.number, holder.fence)] != [str, int, int]:
        raise InvalidInputError("it names no attempt")
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """What the queue says of a report at this moment."""

    fate: Fate
    """What would become of it now; `APPLIED` says that it can be applied."""
    task: Task | None
    attempt: Attempt | None


def standing(stores: Stores, holder: Holder) -> Standing:
    task = stores.tasks.get(holder.task_id)
    attempt = stores.attempts.get(holder.task_id, holder.number)
    return Standing(_fate(task, attempt, holder), task, attempt)


def _fate(task: Task | None, attempt: Attempt | None, holder: Holder) -> Fate:
    if task is None or attempt is None:
        return Fate.UNKNOWN
    if attempt.fence == holder.fence and attempt.outcome not in {None, *TAKEN_AWAY}:
        return Fate.ALREADY
    return Fate.APPLIED if task.fence == holder.fence else Fate.LATE


def is_known(stores: Stores, task_id: str, attempt: int, fence: int) -> bool:
    """Whether the report of this claim was applied, or is kept as evidence."""
    found = standing(stores, Holder(task_id, attempt, fence, ""))
    if found.fate is Fate.ALREADY:
        return True
    late = stores.attempts.late_reports(task_id)
    return any((one.attempt, one.fence) == (attempt, fence) for one in late)


def report(stores: Stores, spooled: SpooledReport, policy: RetryPolicy, now: datetime) -> Standing:
    """Apply the report, or keep it as evidence. Doing it twice is the same as doing it once.

    Events are evidence too, so they are kept whatever becomes of the report.
    """
    holder = spooled.holder
    found = standing(stores, holder)
    if found.task is None or found.attempt is None:
        return found
    if spooled.events:
        stores.attempts.add_events(holder.task_id, holder.number, spooled.events)
    if found.fate is Fate.APPLIED:
        task = running.report(stores, holder, spooled.report, policy, now)
        return Standing(Fate.APPLIED, task, found.attempt)
    if found.fate is Fate.LATE:
        _keep_late(stores, spooled, now)
        if spooled.report.outcome.usage is not None:
            accounting.correct(stores, holder.task_id, holder.number, spooled.report.outcome.usage)
    return found


def _keep_late(stores: Stores, spooled: SpooledReport, now: datetime) -> None:
    holder = spooled.holder
    known = stores.attempts.late_reports(holder.task_id)
    if any((one.attempt, one.fence) == (holder.number, holder.fence) for one in known):
        return
    told = {"ended_at": spooled.ended_at.isoformat(), **plain(_told(spooled.report))}
    stores.attempts.add_late_report(
        LateReport(
            task_id=holder.task_id,
            attempt=holder.number,
            fence=holder.fence,
            worker_id=holder.worker_id,
            received_at=now,
            report=told,
        )
    )
    trail.record(
        stores,
        Action.LATE_REPORT_KEPT,
        holder.task_id,
        actor_of(holder.worker_id),
        now,
        attempt=holder.number,
        fence=holder.fence,
        outcome=spooled.report.outcome.kind,
    )
