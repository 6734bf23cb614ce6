"""What waits for what: the column of each task and the table of edges, made one graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from abathur.domain import graph
from abathur.infrastructure.database.legacy import values
from abathur.infrastructure.database.legacy.ids import take_id
from abathur.infrastructure.database.legacy.taking import Taking
from abathur.infrastructure.database.legacy.tasks import Draft, Was

SEQUENTIAL: Final = "sequential"


@dataclass(slots=True)
class Link:
    prerequisite: str
    dependent: str
    taking: Taking | None
    """Of its row in the table of edges; None when only the task's own column has it."""
    dependency_type: str = SEQUENTIAL
    created_at: datetime | None = None
    resolved_at: datetime | None = None


Links = dict[tuple[str, str], Link]


def gather(drafts: Mapping[str, Draft], rows: Iterable[Taking]) -> Links:
    """Edges between tasks that exist, none twice. What is left out says so on its row."""
    links: Links = {}
    for taking in rows:
        link = _of_row(taking)
        if link is None or not _is_possible(link, drafts):
            taking.refuse("not converted: it doesn't join two tasks that exist")
        elif (link.prerequisite, link.dependent) in links:
            taking.refuse("not converted: another row says the same")
        else:
            links[link.prerequisite, link.dependent] = link
    for draft in drafts.values():
        for prerequisite in draft.prerequisites:
            link = Link(prerequisite, draft.id, None)
            if _is_possible(link, drafts):
                links.setdefault((prerequisite, draft.id), link)
            else:
                draft.taking.changed("dependencies")
    return links


def break_cycles(drafts: Mapping[str, Draft], links: Links) -> None:
    """Take out edges until nothing waits for itself, those of finished tasks first."""
    _forget_unmet_of_completed(drafts, links)
    waits_for = _waits_for(drafts, links)
    while (cycle := graph.find_cycle(waits_for)) is not None:
        steps = list(zip(cycle[1:], cycle, strict=False))
        step = next((s for s in steps if drafts[s[1]].is_final), steps[-1])
        _drop(drafts, links, step, "it closes a circle of tasks that wait for each other")
        waits_for[step[1]].remove(step[0])
    for task_id, prerequisites in waits_for.items():
        drafts[task_id].waits_for = sorted(prerequisites)


def parentless(drafts: Mapping[str, Draft]) -> None:
    """Take away parents that don't exist, and those by which a task is its own ancestor."""
    up: dict[str, list[str]] = {}
    for draft in drafts.values():
        parent = draft.fields["parent_task_id"]
        if parent is not None and parent not in drafts:
            _orphan(draft)
        up[draft.id] = [parent] if draft.fields["parent_task_id"] else []
    while (cycle := graph.find_cycle(up)) is not None:
        _orphan(drafts[cycle[0]])
        up[cycle[0]] = []


def _of_row(taking: Taking) -> Link | None:
    prerequisite = take_id(taking, "prerequisite_task_id", "depends_on_id")
    dependent = take_id(taking, "dependent_task_id", "task_id")
    if prerequisite is None or dependent is None:
        return None
    link = Link(prerequisite, dependent, taking)
    link.dependency_type = values.text(taking, "dependency_type") or SEQUENTIAL
    link.created_at = values.time(taking, "created_at")
    link.resolved_at = values.time(taking, "resolved_at")
    return link


def _is_possible(link: Link, drafts: Mapping[str, Draft]) -> bool:
    ends = {link.prerequisite, link.dependent}
    return len(ends) == 2 and ends <= drafts.keys()


def _forget_unmet_of_completed(drafts: Mapping[str, Draft], links: Links) -> None:
    for prerequisite, dependent in list(links):
        if drafts[dependent].was is Was.COMPLETED and drafts[prerequisite].was is not Was.COMPLETED:
            why = "the task was completed without waiting for it"
            _drop(drafts, links, (prerequisite, dependent), why)


def _waits_for(drafts: Mapping[str, Draft], links: Links) -> dict[str, set[str]]:
    waits_for: dict[str, set[str]] = {task_id: set() for task_id in drafts}
    for prerequisite, dependent in links:
        waits_for[dependent].add(prerequisite)
    return waits_for


def _drop(drafts: Mapping[str, Draft], links: Links, ends: tuple[str, str], why: str) -> None:
    link = links.pop(ends)
    if link.taking is not None:
        link.taking.refuse(f"not converted: {why}")
    if ends[0] in drafts[ends[1]].prerequisites:
        drafts[ends[1]].taking.changed("dependencies")


def _orphan(draft: Draft) -> None:
    draft.fields["parent_task_id"] = None
    draft.taking.changed("parent_task_id")
