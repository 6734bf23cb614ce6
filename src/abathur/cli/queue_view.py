"""What keeps ready tasks from being started, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from abathur import bootstrap
from abathur.cli import context, output, shapes
from abathur.cli.text import clean, local, short, waiting, waiting_for_review
from abathur.domain.tasks import TaskStatus
from abathur.domain.wording import count, span

if TYPE_CHECKING:
    from abathur.domain.admission import Hold
    from abathur.services.queue_facts import QueueFacts, Refused, Seen
    from abathur.services.reading import SwarmStatus

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
    status, queue = found.status, found.queue
    alive = [one for one in status.workers if bootstrap.worker_is_alive(one) is not False]
    is_open = any(number for one, number in status.counts.items() if not one.is_final)
    if not is_open:
        yield "nothing waits: no task is open"
    yield from _under_way(status, queue)
    yield from queue_lines(queue, now)
    yield from _finished(status, queue, is_alone=not alive)
    if status.next_due is not None:
        yield waiting(status.scheduled, status.next_due)
    if blocked := status.counts[TaskStatus.BLOCKED]:
        yield count(blocked, "task waits for others", "tasks wait for others")
    if alive:
        agents = sum(worker.max_agents for worker in alive)
        yield f"up to {count(agents, 'agent')} at once, in {count(len(alive), 'swarm')}"
    elif is_open:
        yield "no swarm is running; `abathur swarm start` starts one"


def _under_way(status: SwarmStatus, queue: QueueFacts) -> Iterator[str]:
    for number, singular, plural in (
        (
            status.counts[TaskStatus.RUNNING] - len(status.landings),
            "task is under way",
            "tasks are under way",
        ),
        (
            status.counts[TaskStatus.READY] - queue.waiting,
            "ready task waits for a free agent",
            "ready tasks wait for a free agent",
        ),
    ):
        if number > 0:
            yield count(number, singular, plural)


def _finished(status: SwarmStatus, queue: QueueFacts, *, is_alone: bool) -> Iterator[str]:
    """Those whose landing somebody holds up are told elsewhere."""
    held = {one.id for one in queue.held_landings}
    held.update(str(review.data.get("landing_id")) for review in status.reviews)
    if free := sum(one.id not in held for one in status.landings):
        yield (
            count(free, "finished task waits to land", "finished tasks wait to land")
            if is_alone
            else count(free, "finished task is landing", "finished tasks are landing")
        )
    if status.reviews:
        yield f"{waiting_for_review(len(status.reviews))}; see `abathur review list`"


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
