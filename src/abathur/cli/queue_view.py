"""What keeps ready tasks from being started, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.cli.text import clean, local, short
from abathur.domain.wording import count, span

if TYPE_CHECKING:
    from abathur.domain.admission import Hold
    from abathur.services.queue_facts import QueueFacts, Refused

SHOWN_TASKS = 3


def queue_lines(found: QueueFacts, now: datetime) -> Iterator[str]:
    """Nothing when nothing is held."""
    for group in found.refused:
        yield _refused(group, now)
    for target in dict.fromkeys(landing.target for landing in found.held_landings):
        there = [one for one in found.held_landings if one.target == target]
        name = count(len(there), "finished task waits", "finished tasks wait")
        yield f"{name} to land on {clean(target)}, which is paused"
    for hold in found.holds:
        if not _is_told(hold, found):
            yield f"held, though no ready task waits for it: {_hold(hold)}"
    if found.is_partial:
        yield "there are more ready tasks; only the most urgent ones were looked at"


def _refused(group: Refused, now: datetime) -> str:
    tasks = count(len(group.tasks), "ready task waits", "ready tasks wait")
    ids = ", ".join(short(task_id) for task_id in group.tasks[:SHOWN_TASKS])
    more = ", …" if len(group.tasks) > SHOWN_TASKS else ""
    since = "" if group.since is None else f", since {local(group.since)}"
    until = ""
    if group.until is not None:
        until = f", until {local(group.until)} ({span(group.until - now)} more)"
    return f"{tasks} ({ids}{more}): {clean(group.text)}{since}{until}"


def _is_told(hold: Hold, found: QueueFacts) -> bool:
    from abathur.domain.admission import hold_text

    told = {group.text for group in found.refused}
    lands = hold.stops_landing and any(one.target == hold.name for one in found.held_landings)
    return lands or hold_text(hold) in told


def _hold(hold: Hold) -> str:
    from abathur.domain.admission import hold_text

    subject = f"task {short(hold.name)} " if hold.scope == "task" else ""
    text = clean(hold_text(hold))
    until = f", until {local(hold.hold_until)}" if hold.hold_until else ""
    return f"{subject}{text.removeprefix('it ') if subject else text}{until}"
