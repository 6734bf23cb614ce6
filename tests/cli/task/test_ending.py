from collections.abc import Sequence
from typing import Any


def statuses(abathur: Any) -> list[str]:
    return [task["status"] for task in abathur("task", "list", "--json").json]


def test_cancelling_takes_along_what_waits(abathur: Any, chain: Sequence[str]) -> None:
    printed = abathur.ok("task", "cancel", chain[1][:13], "--reason", "not now").split()
    assert printed == [chain[1], chain[2]]
    assert statuses(abathur) == ["ready", "cancelled", "cancelled"]


def test_cancelling_twice_changes_nothing(abathur: Any) -> None:
    task = abathur.submit()
    abathur.ok("task", "cancel", task)
    result = abathur("task", "cancel", task)
    assert (result.code, result.out) == (0, "")
    assert result.err == "Nothing to do: cancelled already.\n"


def test_retrying_brings_them_back(abathur: Any, chain: Sequence[str]) -> None:
    abathur.ok("task", "cancel", chain[0])
    assert abathur.ok("task", "retry", chain[0], chain[2]).split() == list(chain)
    assert statuses(abathur) == ["ready", "blocked", "blocked"]


def test_all_or_none(abathur: Any, chain: Sequence[str]) -> None:
    assert abathur("task", "cancel", chain[0], "ffff").code == 3
    assert statuses(abathur) == ["ready", "blocked", "blocked"]


def test_what_isn_t_ended_can_not_be_retried(abathur: Any) -> None:
    task = abathur.submit()
    result = abathur("task", "retry", task)
    assert (result.code, result.line) == (
        4,
        f"abathur: task {task} is ready; only a failed or cancelled one can be retried",
    )


def test_a_task_whose_prerequisite_is_gone_can_not_be_retried(
    abathur: Any, chain: Sequence[str]
) -> None:
    abathur.ok("task", "cancel", chain[0])
    result = abathur("task", "retry", chain[1])
    assert (result.code, result.line) == (
        4,
        f"abathur: task {chain[1]} waits for task {chain[0]}, which is cancelled; "
        f"run `abathur task retry {chain[0]}` first",
    )


def test_an_id_is_needed(abathur: Any) -> None:
    assert abathur("task", "cancel").line == (
        "abathur: missing argument 'ID...' (see `abathur task cancel --help`)"
    )
