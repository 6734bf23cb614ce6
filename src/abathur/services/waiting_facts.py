"""What an explanation needs to know of a task that waits: who refuses it, and for whom it waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from abathur.domain.admission import UNLIMITED, AdmissionRules, Candidate, Hold
from abathur.domain.landing import Landing
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import admitting

LONGEST_CHAIN: Final = 10_000


def waiting_facts(
    stores: Stores,
    task: Task,
    now: datetime,
    rules: AdmissionRules | None,
    explained: Callable[[Task], str],
) -> dict[str, Any]:
    """Fields of `domain.facts.Facts`. `explained` says in a sentence what holds another task."""
    if task.status in admitting.WAITING:
        root = _root(stores, task)
        return {
            "refusal": admitting.admission(stores, rules or UNLIMITED, now).refuses(
                candidate_of(stores, task)
            ),
            "root": root,
            "root_summary": explained(root) if root else "",
        }
    if task.status is TaskStatus.RUNNING and task.worker_id is None:
        return _landing_facts(stores, task, now, rules or UNLIMITED)
    return {}


def candidate_of(stores: Stores, task: Task) -> Candidate:
    paths = stores.admission.paths(task.id)
    return Candidate(
        id=task.id,
        agent_type=task.agent_type,
        target=task.feature_branch,
        rank=task.rank,
        touches=paths.touches,
        may_overlap=paths.may_overlap,
    )


def _root(stores: Stores, task: Task) -> Task | None:
    """Down the first unmet prerequisite of each, unless another one has ended badly."""
    root: Task | None = None
    here, left = task, LONGEST_CHAIN
    while here.status is TaskStatus.BLOCKED and left > 0:
        unmet = stores.graph.unmet(here.id)
        if not unmet:
            break
        here = root = next((one for one in unmet if one.status.is_final), unmet[0])
        left -= 1
    return root


def _landing_facts(
    stores: Stores, task: Task, now: datetime, rules: AdmissionRules
) -> dict[str, Any]:
    there = stores.landings.open()
    mine = next((one for one in there if one.task_id == task.id), None)
    if mine is None:
        return {}
    holds = stores.admission.restrictions(now).holds
    return {
        "overlaps": stores.admission.overlaps(task.id),
        "landings_ahead": sum(one.target == mine.target for one in there[: there.index(mine)]),
        "closure": rules.closure(mine.target) if rules.closure else None,
        "landing_hold": _hold_of(mine, [hold for hold in holds if hold.stops_landing]),
    }


def _hold_of(landing: Landing, holds: list[Hold]) -> Hold | None:
    if not admitting.is_held_landing(landing, holds):
        return None
    return next(hold for hold in holds if hold.name == landing.target)
