"""Sessions that go on over several attempts, read from the queue."""

from __future__ import annotations

from abathur.domain import continuing
from abathur.domain.continuing import Unfinished
from abathur.domain.loop_feedback import ITERATION
from abathur.domain.loops.specs import Strategy
from abathur.domain.runs import Attempt, OutcomeKind
from abathur.ports.stores import Stores


def unfinished(stores: Stores, task_id: str, number: int) -> Unfinished | None:
    """What the attempt with that number may go on with."""
    attempts = stores.attempts.of_task(task_id)
    current = next((one for one in attempts if one.number == number), None)
    return continuing.unfinished(attempts, current) if current else None


def iterated(stores: Stores, task_id: str, number: int) -> tuple[Unfinished, Attempt] | None:
    """The session that made the iteration which that attempt goes on from by feedback.

    With the last attempt that worked in its folder.
    """
    attempts = stores.attempts.of_task(task_id)
    current = next((one for one in attempts if one.number == number), None)
    facts = (current.feedback or {}) if current else {}
    if facts.get("strategy") != Strategy.FEEDBACK or facts.get("kind") != ITERATION:
        return None
    made = [
        one
        for one in stores.loops.iterations(task_id)
        if one.measured_at is not None and one.work_commit == facts.get("work_commit")
    ]
    maker = next((one for one in attempts if made and one.number == made[-1].attempt), None)
    found = continuing.session_of(attempts, maker) if maker is not None else None
    if found is None:
        return None
    there = [o for o in attempts if o.worktree_path == found.worktree_path and o.number < number]
    return found, there[-1]


def own_place(stores: Stores, attempt: Attempt) -> str | None:
    """The attempt's folder; None where it has none, or a later attempt has taken it over."""
    if attempt.worktree_path is None:
        return None
    attempts = stores.attempts.of_task(attempt.task_id)
    return None if continuing.is_passed_on(attempts, attempt) else attempt.worktree_path


def newest_in(stores: Stores, task_id: str, folder: str, number: int) -> Attempt | None:
    """The last attempt that was given a folder of this name; the numbered one where none was."""
    attempts = stores.attempts.of_task(task_id)
    there = [one for one in attempts if (one.worktree_path or "").endswith(f"/{folder}")]
    numbered = [one for one in attempts if one.number == number]
    return next(reversed(there or numbered), None)


def is_session_over(stores: Stores, task_id: str, folder: str, number: int) -> bool:
    """Whether nobody goes on, or can go on, with what was begun in the folder of this name."""
    task = stores.tasks.get(task_id)
    if task is None or task.status.is_final:
        return True
    attempts = stores.attempts.of_task(task_id)
    if any(one.number == number and one.ended_at is None for one in attempts):
        return False  # it begins: its folder isn't written down yet
    placed = [one for one in attempts if one.worktree_path]
    if not placed or not (placed[-1].worktree_path or "").endswith(f"/{folder}"):
        return True
    newest = placed[-1]
    if stores.loops.get(task_id) is not None and newest.outcome is OutcomeKind.SUCCEEDED:
        return False  # its next iteration goes on with it
    return newest.ended_at is not None and newest.outcome not in continuing.CUT_OFF
