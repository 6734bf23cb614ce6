from collections.abc import Sequence
from typing import Any

from abathur.cli.text import columns


def test_the_trail_of_one_task(abathur: Any, chain: Sequence[str]) -> None:
    abathur.ok("task", "cancel", chain[0], "--reason", "not needed")
    entries = abathur("audit", chain[0], "--json").json
    assert entries[0]["action_type"] == "task_submitted"
    assert entries[-1]["action_type"] == "task_cancelled"
    assert entries[-1]["action_data"]["error_message"] == "not needed"
    assert {entry["task_id"] for entry in entries} == {chain[0]}


def test_the_newest_entries_of_all(abathur: Any, chain: Sequence[str]) -> None:
    entries = abathur("audit", "--limit", "2", "--json").json
    assert len(entries) == 2
    assert entries[0]["id"] < entries[1]["id"]
    assert abathur("audit", "--limit", "1", "--json").json == entries[-1:]


def test_the_newest_entries_of_one_task(abathur: Any, chain: Sequence[str]) -> None:
    for command in ("cancel", "retry", "cancel"):
        abathur.ok("task", command, chain[0])
    entries = abathur("audit", chain[0], "--json").json
    assert len(entries) > 3
    assert abathur("audit", chain[0], "--limit", "2", "--json").json == entries[-2:]
    assert abathur("audit", chain[0], "--limit", "9", "--json").json == entries


def test_the_table_tells_what_changed(abathur: Any) -> None:
    task = abathur.submit("Tidy \x1b[2Jup " + "x" * 100)
    lines = abathur.ok("audit").splitlines()
    assert lines[0].split() == ["TIME", "TASK", "ACTION", "ACTOR", "CHANGE"]
    assert task[:13] in lines[1]
    assert "submitted" in lines[1]
    assert "ready, Tidy" in lines[1]
    assert "\x1b" not in lines[1]
    assert all(columns(line) <= 80 for line in lines)
    assert abathur.ok("audit", task).splitlines()[0].split() == [
        "TIME",
        "ACTION",
        "ACTOR",
        "CHANGE",
    ]


def test_an_empty_trail(abathur: Any) -> None:
    result = abathur("audit")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("Nothing has happened yet")
    assert abathur("audit", "--json").json == []
