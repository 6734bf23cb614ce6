"""`abathur swarm status`: who works, on what, and what is waiting to land."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from abathur import bootstrap
from abathur.bootstrap import Project
from abathur.cli import output
from abathur.cli.context import json_option, now, queue, read, rules, run
from abathur.cli.exit_codes import OK
from abathur.cli.live_board import row_of
from abathur.cli.live_view import SHOWN_FIRST, LiveView, counts_line, terminal
from abathur.cli.loop_shapes import loop_shape
from abathur.cli.loop_view import LOOPS, loop_row
from abathur.cli.output import Column, status_colour
from abathur.cli.pool_view import pool_lines
from abathur.cli.queue_view import queue_lines
from abathur.cli.text import (
    age,
    clean,
    elapsed,
    iso,
    local,
    short,
    waiting,
    waiting_for_review,
)
from abathur.services.queue_facts import Seen, seen

if TYPE_CHECKING:
    from abathur.domain.admission import AdmissionRules
    from abathur.domain.agents import Worker
    from abathur.domain.reviews import Review
    from abathur.ports.stores import UnitOfWork
    from abathur.services.reading import Running, SwarmStatus

SECONDS_BETWEEN_LOOKS = 1.0
ALIVE = {True: "alive", False: "dead", None: "elsewhere"}

WORKERS = (
    Column(title="WORKER", most=13),
    Column(title="STATE"),
    Column(title="PROCESS", right=True),
    Column(title="AGENTS", right=True),
    Column(title="SINCE", right=True),
    Column(title="HOST", flexible=True),
)
RUNNING = (
    Column(title="TASK", most=13),
    Column(title="AGENT", most=12),
    Column(title="TIME", right=True),
    Column(title="SUMMARY", most=26),
    Column(title="LAST", flexible=True),
)
REVIEWS = (
    Column(title="REVIEW", most=13),
    Column(title="KIND"),
    Column(title="WAITS", right=True),
    Column(title="QUESTION", flexible=True),
)
LANDINGS = (
    Column(title="LANDING", most=13),
    Column(title="STATE", colour=status_colour),
    Column(title="WAITS", right=True),
    Column(title="TARGET", flexible=True),
)
REFUSED = (
    Column(title="NEEDS YOU", most=13),
    Column(title="STATE", colour=status_colour),
    Column(title="SINCE", right=True),
    Column(title="WHY", flexible=True),
)
FLAKY = (
    Column(title="FLAKY GATE", most=20),
    Column(title="SINCE", right=True),
    Column(title="LOG", flexible=True),
)


@click.command()
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@json_option
def status(watch: bool, as_json: bool) -> int:
    """Show the workers, what their agents do, and what is waiting to land."""
    if not watch:
        _show(read(seen, rules(), now()), as_json)
        return OK
    # Ctrl-C is the way to end it.
    with suppress(KeyboardInterrupt):
        run(_watch, queue(), rules(), as_json)
    return OK


def _show(found: Seen, as_json: bool, *, line: bool = False) -> None:
    if as_json:
        output.write_json(_plain(found), line=line)
    else:
        output.write_lines(list(_lines(found)))


def _show_again(found: Seen, as_json: bool) -> None:
    if not as_json:
        output.write(f"\n{local(now())}")
    _show(found, as_json, line=True)


async def _watch(found: Project, allowed: AdmissionRules, as_json: bool) -> None:
    async with bootstrap.open_database(found) as db:
        console = None if as_json else terminal()
        if console is None:
            await _repeat(db, allowed, lambda now_there: _show_again(now_there, as_json))
        with LiveView(console, now) as view:
            await _repeat(db, allowed, lambda now_there: view.put_right(now_there.status))


async def _repeat(
    db: UnitOfWork, allowed: AdmissionRules, show: Callable[[Seen], None]
) -> NoReturn:
    while True:
        show(await db.read(seen, allowed, now()))
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


def _lines(everything: Seen) -> Iterator[str]:
    found = everything.status
    yield counts_line(found.counts)
    sections = (
        (WORKERS, [_worker(one, found) for one in found.workers]),
        (RUNNING, [_running(one) for one in found.running]),
        (LANDINGS, _landings(found)),
        (LOOPS, [loop_row(one) for one in found.loops]),
        (REVIEWS, [_review(one) for one in found.reviews]),
        (REFUSED, _refused(found)),
        (FLAKY, _flaky(found)),
    )
    for shape, rows in sections:
        if rows:
            yield ""
            yield from output.table(shape, rows, output.width())
    if not found.workers:
        yield "no swarm is running; `abathur swarm start` starts one"
    if found.reviews:
        yield f"{waiting_for_review(len(found.reviews))}; see `abathur review list`"
    if found.next_due is not None:
        yield waiting(found.scheduled, found.next_due)
    yield from queue_lines(everything.queue, now())
    yield from pool_lines(found.pools, now())


def _worker(worker: Worker, found: SwarmStatus) -> list[str]:
    busy = sum(one.task.worker_id == worker.id for one in found.running)
    state = ALIVE[bootstrap.worker_is_alive(worker)]
    if worker.stop_requested_at is not None and state != "dead":
        state = "stopping"
    agents = f"{busy}/{worker.max_agents}"
    since = age(worker.started_at, now())
    return [short(worker.id), state, str(worker.pid), agents, since, worker.machine]


def _running(running: Running) -> list[str]:
    row = row_of(running)
    time = elapsed(row.since, now())
    return [short(row.task_id), row.agent_type, time, row.summary, row.last or "-"]


def _review(review: Review) -> list[str]:
    return [short(review.id), review.kind, age(review.asked_at, now()), review.question]


def _landings(found: SwarmStatus) -> list[list[str]]:
    held = {review.data.get("landing_id") for review in found.reviews}
    return [
        [
            short(one.task_id),
            "in review" if one.id in held else one.state,
            age(one.requested_at, now()),
            clean(one.target),
        ]
        for one in found.landings
    ]


def _refused(found: SwarmStatus) -> list[list[str]]:
    return [
        [
            short(one.task_id),
            one.state,
            age(one.ended_at or one.requested_at, now()),
            clean(one.detail or "-"),
        ]
        for one in found.refused
    ]


def _flaky(found: SwarmStatus) -> list[list[str]]:
    return [
        [clean(run.gate), age(run.ended_at, now()), clean(run.log_path or "-")]
        for run in found.flaky
    ]


def _plain(everything: Seen) -> dict[str, Any]:
    from abathur.cli import shapes

    found = everything.status
    return {
        "idle": found.is_idle,
        "counts": {status: found.counts.get(status, 0) for status in SHOWN_FIRST},
        "next_due": iso(found.next_due) if found.next_due else None,
        "workers": [_plain_worker(worker) for worker in found.workers],
        "running": [_plain_running(one) for one in found.running],
        "landings": [shapes.landing(one) for one in found.landings],
        "reviews": [shapes.review(one) for one in found.reviews],
        "loops": [loop_shape(one) for one in found.loops],
        "queue": shapes.queue(everything.queue),
        "pools": [shapes.pool(one) for one in found.pools],
        "refused": [shapes.landing(one) for one in found.refused],
        "flaky": [shapes.gate_run(run) for run in found.flaky],
    }


def _plain_worker(worker: Worker) -> dict[str, Any]:
    return {
        "id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "alive": bootstrap.worker_is_alive(worker),
        "max_agents": worker.max_agents,
        "started_at": iso(worker.started_at),
        "heartbeat_at": iso(worker.heartbeat_at),
        "lease_until": iso(worker.lease_until),
        "stop_requested_at": iso(worker.stop_requested_at) if worker.stop_requested_at else None,
    }


def _plain_running(running: Running) -> dict[str, Any]:
    from abathur.cli import shapes

    event = running.last_event
    return {
        "task": shapes.task(running.task),
        "attempt": shapes.attempt(running.attempt) if running.attempt else None,
        "last_event": {"kind": event.kind, "text": event.text} if event else None,
        "last_event_at": iso(running.last_event_at) if running.last_event_at else None,
    }
