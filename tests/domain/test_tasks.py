"""What a new task must look like, and which ways a task can go."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.errors import IllegalTransitionError, InvalidInputError
from abathur.domain.tasks import (
    FINAL_STATUSES,
    MAX_SUMMARY,
    NewTask,
    Task,
    TaskStatus,
    check_transition,
    moved,
    summary_from_prompt,
)

S = TaskStatus

LEGAL = {
    (S.BLOCKED, S.READY): "its last prerequisite is completed",
    (S.BLOCKED, S.PENDING): "the same, but it is scheduled for later",
    (S.BLOCKED, S.CANCELLED): "on request, or a prerequisite failed",
    (S.PENDING, S.READY): "its time has come",
    (S.PENDING, S.CANCELLED): "on request",
    (S.READY, S.RUNNING): "a worker claims it",
    (S.READY, S.CANCELLED): "on request",
    (S.RUNNING, S.COMPLETED): "its work is proven to be in the target",
    (S.RUNNING, S.FAILED): "its retries are spent",
    (S.RUNNING, S.CANCELLED): "on request",
    (S.RUNNING, S.PENDING): "backing off after an attempt",
    (S.RUNNING, S.READY): "handed back",
    (S.FAILED, S.READY): "retried",
    (S.RUNNING, S.BLOCKED): "split, and waits for its parts",
    (S.FAILED, S.PENDING): "retried, scheduled for later",
    (S.FAILED, S.BLOCKED): "retried, with prerequisites that aren't completed",
    (S.CANCELLED, S.READY): "retried",
    (S.CANCELLED, S.PENDING): "retried, scheduled for later",
    (S.CANCELLED, S.BLOCKED): "retried, with prerequisites that aren't completed",
}
ILLEGAL = [pair for pair in itertools.product(S, S) if pair not in LEGAL]


@pytest.mark.parametrize(("old", "new"), LEGAL)
def test_a_legal_way_is_open(old: TaskStatus, new: TaskStatus) -> None:
    check_transition("t-1", old, new)


@pytest.mark.parametrize(("old", "new"), ILLEGAL)
def test_every_other_way_is_closed(old: TaskStatus, new: TaskStatus) -> None:
    with pytest.raises(IllegalTransitionError, match=f"task t-1 is {old} and can't become {new}"):
        check_transition("t-1", old, new)


def test_a_refusal_says_which_ways_are_open() -> None:
    with pytest.raises(IllegalTransitionError, match=r"it can become: cancelled, ready\)"):
        check_transition("t-1", S.PENDING, S.RUNNING)
    with pytest.raises(IllegalTransitionError, match="nothing: it is an end"):
        check_transition("t-1", S.COMPLETED, S.READY)


def test_only_the_three_ends_are_final() -> None:
    assert {status for status in S if status.is_final} == FINAL_STATUSES
    assert {S.COMPLETED, S.FAILED, S.CANCELLED} == FINAL_STATUSES


def test_moving_raises_the_fence_and_lets_go_of_the_holder(
    make_task: Callable[..., Task], noon: datetime
) -> None:
    running = make_task(status=S.RUNNING, fence=7, worker_id="w-1", lease_until=noon)
    ended = moved(running, S.FAILED, noon, error_message="no")
    assert (ended.status, ended.fence, ended.last_updated_at) == (S.FAILED, 8, noon)
    assert (ended.worker_id, ended.lease_until, ended.error_message) == (None, None, "no")


def test_moving_the_wrong_way_is_refused(make_task: Callable[..., Task], noon: datetime) -> None:
    with pytest.raises(IllegalTransitionError):
        moved(make_task(status=S.COMPLETED), S.READY, noon)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prompt": ""}, "prompt: it is empty"),
        ({"prompt": " \n\t"}, "prompt: it is empty"),
        ({"summary": "x" * 141}, "summary: it has 141 characters; at most 140"),
        ({"agent_type": ""}, "agent_type: `` isn't a name"),
        ({"agent_type": "../x"}, r"agent_type: `\.\./x` isn't a name"),
        ({"agent_type": "-x"}, "agent_type: `-x` isn't a name"),
        ({"agent_type": "größe"}, "agent_type: `größe` isn't a name"),
        ({"priority": -1}, "priority: -1 isn't a whole number from 0 to 10"),
        ({"priority": 11}, "priority: 11 isn't a whole number from 0 to 10"),
        ({"priority": True}, "priority: True isn't a whole number"),
        ({"priority": 5.0}, r"priority: 5\.0 isn't a whole number"),
        ({"max_retries": -1}, "max_retries: -1 isn't a whole number from 0 to 100"),
        ({"max_execution_timeout_seconds": 0}, "timeout: 0 isn't a whole number from 1"),
        ({"estimated_duration_seconds": 0}, "estimate: 0 isn't a whole number from 1"),
        ({"deadline": datetime(2030, 1, 1)}, "deadline: the time needs a zone"),  # noqa: DTZ001
        ({"not_before": datetime(2030, 1, 1)}, "not_before: the time needs a zone"),  # noqa: DTZ001
        ({"input_data": [1]}, "input_data: a JSON object is needed"),
        ({"prompt": "a\0b"}, "prompt: it holds a NUL character"),
        ({"idempotency_key": "a\0b"}, "idempotency_key: it holds a NUL character"),
        ({"feature_branch": "a\0b"}, "feature_branch: it holds a NUL character"),
        ({"created_by": "a\0b"}, "created_by: it holds a NUL character"),
    ],
)
def test_a_value_that_is_not_acceptable_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        NewTask(**{"prompt": "Do it", **wrong})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "right",
    [
        {"priority": 0},
        {"priority": 10},
        {"max_retries": 0},
        {"agent_type": "python_dev-2"},
        {"summary": "x" * MAX_SUMMARY},
        {"deadline": datetime(2030, 1, 1, tzinfo=UTC)},
        {"estimated_duration_seconds": 365 * 86_400},
    ],
)
def test_values_at_the_limits_are_acceptable(right: dict[str, Any]) -> None:
    new = NewTask(**{"prompt": "Do it", **right})
    assert {name: getattr(new, name) for name in right} == right


def test_prerequisites_named_twice_count_once_and_keep_their_order() -> None:
    new = NewTask(prompt="Do it", prerequisites=("b", "a", "b"))
    assert new.prerequisites == ("b", "a")


def test_a_given_summary_is_put_on_one_line() -> None:
    assert NewTask(prompt="Do it", summary="  Fix \n the\tpage ").summary == "Fix the page"


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_summary_is_made_from_the_first_line_of_the_prompt(blank: str) -> None:
    new = NewTask(prompt="\n\n  Fix   the page \nand more", summary=blank)
    assert new.summary == "Fix the page"


def test_a_long_first_line_is_cut_at_a_word() -> None:
    summary = summary_from_prompt("twelve chars " * 100)
    assert summary == "twelve chars " * 10 + "twelve…"


def test_a_long_word_is_cut_where_it_must_be() -> None:
    assert summary_from_prompt("short " + "x" * 300) == "short " + "x" * 133 + "…"


@settings(max_examples=150)
@given(st.text(st.characters(exclude_characters="\0"), max_size=400).filter(str.strip))
def test_every_prompt_has_a_summary_of_one_line(prompt: str) -> None:
    summary = NewTask(prompt=prompt).summary
    assert 1 <= len(summary) <= MAX_SUMMARY
    assert len(summary.splitlines()) == 1
