"""Whatever holds a task up is named in each state in which it does, with what lets it go."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from abathur.domain.admission import (
    Hold,
    HoldCause,
    HoldScope,
    Refusal,
    RefusalKind,
    hold_text,
)
from abathur.domain.closed_targets import closure_of
from abathur.domain.settings import Settings
from abathur.domain.tasks import TaskStatus

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOTHING = "Nothing to do: it goes on by itself."
S = TaskStatus
OPEN = (S.PENDING, S.BLOCKED, S.READY, S.RUNNING)
ODD = "a;b $(c)"

Make = Callable[..., Any]


def hold(scope: HoldScope, cause: HoldCause = HoldCause.PERSON, name: str = "main") -> Hold:
    return Hold(
        id="h", scope=scope, name=name, cause=cause, reason="release week", hold_until=None,
        created_by="cli:eve", created_at=NOON - MINUTE,
    )  # fmt: skip


def refusals() -> Iterator[Refusal]:
    for scope in HoldScope:
        for cause in HoldCause:
            found = hold(scope, cause)
            yield Refusal(kind=RefusalKind.HOLD, text=hold_text(found), hold=found)
    for kind in RefusalKind:
        if kind is not RefusalKind.HOLD:
            mend = "Mend it." if kind is RefusalKind.TARGET else ""
            yield Refusal(kind=kind, text=f"this {kind} is against it", task_id="t-9", advice=mend)


def needs_person(refusal: Refusal) -> bool:
    return refusal.kind in {RefusalKind.HOLD, RefusalKind.TARGET}


@pytest.mark.parametrize("refusal", [*refusals()], ids=lambda one: one.text[:40])
@pytest.mark.parametrize("swarms", [0, 1])
def test_a_ready_task_names_what_refuses_it_and_what_lets_it_go(
    why: Make, refusal: Refusal, swarms: int
) -> None:
    found = why(S.READY, refusal=refusal, live_workers=swarms)
    assert found.summary == f"It is ready, but {refusal.text}."
    assert ("no swarm runs at the moment" in found.details) is (swarms == 0)
    if needs_person(refusal):
        assert found.next_step not in {NOTHING, "Run `abathur swarm start`."}


@pytest.mark.parametrize(
    "refusal", [*filter(needs_person, refusals())], ids=lambda one: one.text[:40]
)
@pytest.mark.parametrize("status", [S.PENDING, S.BLOCKED])
def test_a_task_that_waits_for_something_else_names_what_a_person_has_to_let_go_then(
    why: Make, make_task: Make, refusal: Refusal, status: TaskStatus
) -> None:
    found = why(status, {"not_before": NOON + MINUTE}, refusal=refusal, unmet=[make_task(id="t-0")])
    assert f"then it will wait on, because {refusal.text}" in found.details


@pytest.mark.parametrize("swarms", [0, 1])
def test_work_that_may_not_land_names_why_and_what_lets_it_land(
    why: Make, make_landing: Make, swarms: int
) -> None:
    there = {"landing": make_landing(target=ODD), "live_workers": swarms}
    paused = hold(HoldScope.TARGET, name=ODD)
    closed = closure_of(Settings(), ODD, lambda _: True)
    assert closed is not None
    for facts, text, step in (
        ({"landing_hold": paused}, hold_text(paused), f"`abathur resume --target '{ODD}'`"),
        ({"closure": closed}, closed.text, f"`git branch '{ODD}'`"),
    ):
        found = why(S.RUNNING, {"attempt_count": 1}, **there, **facts)
        assert found.summary == f"Its work is done, but may not land: {text}."
        assert step in found.next_step
        assert ("no swarm runs at the moment" in found.details) is (swarms == 0)


@pytest.mark.parametrize("status", TaskStatus)
def test_a_deadline_that_has_passed_is_told_while_the_task_is_open(
    why: Make, status: TaskStatus
) -> None:
    told = "its deadline was 2030-01-31 11:59:00 UTC, 1 min ago"
    assert (told in why(status, {"deadline": NOON - MINUTE}).details) is (status in OPEN)
    assert not any("deadline" in line for line in why(status, {"deadline": NOON + MINUTE}).details)
