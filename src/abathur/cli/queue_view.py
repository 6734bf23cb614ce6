"""What keeps ready tasks from being started, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from abathur import bootstrap
from abathur.cli import context, output, shapes
from abathur.cli.text import clean, local, short, waiting
from abathur.domain.tasks import TaskStatus
from abathur.domain.wording import count, span

if TYPE_CHECKING:
    from abathur.domain.admission import Hold
    from abathur.services.queue_facts import QueueFacts, Refused, Seen

SHOWN_TASKS = 3


def tell_queue(as_json: bool) -> None:
    """What the whole queue waits for."""
    from abathur.services.queue_facts import seen

    found = context.read(seen, context.rules(), context.now())
    if as_json:
        output.write_json(shapes.queue(found.queue))
    else:
        output.write_lines(list(_lines(found, context.now())))


def _lines(found: Seen, now: datetime) -> Iterator[str]:
    counts, queue = found.status.counts, found.queue
    alive = [one for one in found.status.workers if bootstrap.worker_is_alive(one) is not False]
    free = counts[TaskStatus.READY] - queue.waiting
    agents = sum(worker.max_agents for worker in alive)
    if found.status.is_idle and not counts[TaskStatus.PENDING]:
        yield "nothing waits: no task is open"
    for number, singular, plural in (
        (counts[TaskStatus.RUNNING], "task is under way", "tasks are under way"),
        (free, "ready task waits for a free agent", "ready tasks wait for a free agent"),
    ):
        if number:
            yield count(number, singular, plural)
    yield from queue_lines(queue, now)
    landings = len(found.status.landings) - len(queue.held_landings)
    if landings:
        yield count(landings, "finished task is landing", "finished tasks are landing")
    if found.status.next_due is not None:
        yield waiting(counts[TaskStatus.PENDING], found.status.next_due)
    if counts[TaskStatus.BLOCKED]:
        yield count(counts[TaskStatus.BLOCKED], "task waits for others", "tasks wait for others")
    if alive:
        yield f"up to {count(agents, 'agent')} at once, in {count(len(alive), 'swarm')}"
    elif not found.status.is_idle:
        yield "no swarm is running; `abathur swarm start` starts one"


def queue_lines(found: QueueFacts, now: datetime) -> Iterator[str]:
    """Nothing when nothing is held and no schedule is due."""
    for group in found.refused:
        yield _refused(group, now)
    for target in dict.fromkeys(landing.target for landing in found.held_landings):
        there = [one for one in found.held_landings if one.target == target]
        name = count(len(there), "finished task waits", "finished tasks wait")
        is_paused = any(hold.stops_landing and hold.name == target for hold in found.holds)
        why = "" if is_paused else found.closed_targets.get(target, "")
        which = f": {clean(why)}" if why else ", which is paused"
        yield f"{name} to land on {clean(target)}{which}"
    for hold in found.holds:
        if not _is_told(hold, found):
            yield f"held: {_hold(hold)}"
    if (next_one := found.next_schedule) is not None and next_one.next_at is not None:
        due = local(next_one.next_at)
        yield f"schedule {clean(next_one.name)} submits its next task at {due}"
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
    return f"{tasks} ({ids}{more}): {clean(group.text)}{since}{until}{_step(group.hold)}"


def _step(hold: Hold | None) -> str:
    from abathur.domain.explain_waiting import BEFORE_RESUMING, resume_command

    if hold is None or (before := BEFORE_RESUMING.get(hold.cause)) is None:
        return ""
    return f". {before} {resume_command(hold)}"


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
