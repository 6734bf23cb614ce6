"""Entries and their hashes, and what entries that don't fit tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.audit import START, AuditRow, Head, entry_hash
from abathur.domain.chain import Anchor, Digest, broken_links, parse_anchor
from abathur.domain.errors import InvalidInputError
from abathur.domain.replay import NotTold, differences, replay
from abathur.domain.tasks import TaskStatus

WHOLE: dict[str, Any] = {
    "summary": "Do it",
    "prompt": "Do it",
    "agent_type": "general",
    "priority": 5,
    "status": "ready",
    "source": "human",
    "max_retries": 3,
    "max_execution_timeout_seconds": 60,
    "submitted_at": "2030-01-31T12:00:00+00:00",
    "dependency_depth": 0,
    "unmet_count": 0,
    "rank": 7,
    "attempt_count": 0,
    "retry_count": 0,
    "rework_count": 0,
    "lost_count": 0,
}
fields = st.tuples(
    *(st.text("0,:-a\nß", max_size=4), st.integers(1, 30), st.integers(1, 30)),
    *(st.text("0,:-a\nß", max_size=4) for _ in range(5)),
    *(st.none() | st.text("0,:-", max_size=2) for _ in range(5)),
)


def row(action: str = "task_submitted", sequence: int = 1, **data: Any) -> AuditRow:
    told = WHOLE if action == "task_submitted" else data
    values: tuple[Any, ...] = (
        *("t", f"2030-01-31T12:00:{sequence:02}.000000Z", "cli:alice"),
        *(action, json.dumps(told)),
    )
    return AuditRow(
        id=sequence,
        sequence=sequence,
        hash=entry_hash(START, sequence, sequence, *values),
        **dict(
            zip(
                ("task_id", "timestamp", "actor", "action_type", "action_data"), values, strict=True
            )
        ),
    )


@given(fields, fields)
def test_entries_that_differ_are_hashed_from_different_bytes(
    one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    assert (entry_hash(*one) == entry_hash(*other)) is (one == other)


def test_the_hash_of_an_entry_is_a_promise() -> None:
    """Another value would break every trail that was written."""
    made = entry_hash(START, 1, 2, "t", "2030", "cli:ü", "task_ready", "{}")
    assert made == "2c9e2308ca1e1e59170178637c450b3ebe676ccec61c592a67e03d68326c83d1"
    older = entry_hash(
        START, 1, 2, "t", "2030", "cli:ü", "task_ready", "{}", None, "ok", *[None] * 3
    )
    assert older == "5bfe184b8744373930bc1d8b771df71f9dbfeee9a00ebd6624306d50507dc27e"


def test_a_task_is_told_up_to_a_moment() -> None:
    rows = [
        row(),
        row("attempt_ended", 2, status="nonsense"),
        row("task_claimed", 3, status=["ready", "running"], worker_id="w"),
        row("task_adopted", 4, worker_id="v"),
        row("landing_requested", 5, worker_id=None),
        row("task_reranked", 6, rank=9),
        row("something_of_tomorrow", 7, priority=1),
    ]
    moments = [datetime(2030, 1, 31, 12, 0, second, tzinfo=UTC) for second in range(8)]
    told = [replay(rows, moment) for moment in moments]
    assert told[0] is None
    facts = [
        (task.status, task.fence, task.worker_id, task.rank, task.priority, task.last_updated_at)
        for task in told[1:]
        if task is not None
    ]
    ready, running = TaskStatus.READY, TaskStatus.RUNNING
    assert facts == [
        (ready, 0, None, 7, 5, moments[1]),
        (ready, 0, None, 7, 5, moments[1]),
        (running, 1, "w", 7, 5, moments[3]),
        (running, 2, "v", 7, 5, moments[4]),
        (running, 3, None, 7, 5, moments[5]),
        (running, 3, None, 9, 5, moments[5]),
        (running, 3, None, 9, 1, moments[7]),
    ]
    assert replay(rows) == told[-1]


def test_a_pruned_task_is_gone_and_entries_without_a_beginning_tell_nothing() -> None:
    assert replay([row(), row("task_pruned", 2)]) is None
    assert replay([row("task_ready", 2, status=["blocked", "ready"])]) is None
    assert replay([]) is None


def test_what_was_fixed_may_have_had_any_status() -> None:
    task = replay([row(), row("task_fixed", 2, status=["running", "blocked"], unmet_count=1)])
    assert task is not None
    assert (task.status, task.unmet_count, task.fence) == (TaskStatus.BLOCKED, 1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        row("task_ready", 2, status=["blocked", "ready"]),
        row("task_ready", 2, status=["ready", "nonsense"]),
        row("task_ready", 2, completed_at="soon"),
        AuditRow(**{**vars(row()), "action_data": "{"}),
        AuditRow(**{**vars(row()), "action_data": "[]"}),
        AuditRow(**{**vars(row()), "action_data": '{"prompt":1,"submitted_at":"2030-01-31"}'}),
    ],
)
def test_entries_that_tell_no_task_are_refused(wrong: AuditRow) -> None:
    with pytest.raises(NotTold, match="its entries don't tell a task"):
        replay([row(), wrong])


def test_a_moment_that_cannot_be_read_is_refused() -> None:
    wrong = AuditRow(**{**vars(row()), "timestamp": "soon"})
    with pytest.raises(NotTold):
        replay([wrong], datetime(2030, 1, 31, tzinfo=UTC))


def test_a_task_does_not_differ_from_itself() -> None:
    task = replay([row()])
    assert task is not None
    assert list(differences(task, task)) == []


@pytest.mark.parametrize("sequence", [None, "x", 1.5, b"1", 7])
def test_a_row_of_other_types_is_a_break_and_no_failure(sequence: Any) -> None:
    odd = AuditRow(**{**vars(row()), "sequence": sequence})
    assert list(broken_links("t", [odd], Head("t", 1, "x")))


def test_an_anchor_is_read_as_it_is_printed() -> None:
    digest = Digest()
    digest.add([row(), row("task_ready", 2)])
    assert parse_anchor(f" {digest.anchor()} ") == digest.anchor()
    assert digest.anchor().row == 2
    early = Digest(1)
    early.add([row(), row("task_ready", 2)])
    alone = Digest()
    alone.add([row()])
    assert early.anchor() == alone.anchor()
    assert Digest(5).anchor() == Anchor(5, Digest().anchor().digest)


@pytest.mark.parametrize("text", ["", "1", "1:", ":a", f"-1:{'a' * 64}", f"1:{'a' * 63}", "x:y"])
def test_what_is_no_anchor_is_named(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^anchor: `"):
        parse_anchor(text)
