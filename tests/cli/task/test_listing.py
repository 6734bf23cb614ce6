from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abathur.cli.text import columns


def summaries(abathur: Any, *options: str) -> list[str]:
    return [task["summary"] for task in abathur("task", "list", "--json", *options).json]


def test_a_person_gets_a_table(abathur: Any, chain: Sequence[str]) -> None:
    lines = abathur.ok("task", "list").splitlines()
    assert lines[0].split() == ["ID", "STATUS", "PRI", "AGENT", "SUMMARY", "AGE"]
    assert [line.split()[:5] for line in lines[1:]] == [
        [chain[0][:13], "ready", "5", "general", "First"],
        [chain[1][:13], "blocked", "5", "general", "Second"],
        [chain[2][:13], "blocked", "5", "general", "Third"],
    ]


def test_an_empty_queue(abathur: Any) -> None:
    result = abathur("task", "list")
    assert (result.code, result.out) == (0, "")
    assert result.err == "No tasks yet; `abathur task submit PROMPT` makes one.\n"
    assert abathur("task", "list", "--json").out == "[]\n"


def test_filters(abathur: Any) -> None:
    abathur.git("branch", "release")
    first = abathur.submit("Alpha", "--agent-type", "tester")
    abathur.submit("Beta 100%", "-p", first, "--source", "agent_planner")
    abathur.submit("Gamma", "--target", "release", "--parent", first)
    abathur.ok("task", "cancel", abathur.submit("Delta"))
    assert summaries(abathur) == ["Alpha", "Beta 100%", "Gamma", "Delta"]
    assert summaries(abathur, "--status", "blocked") == ["Beta 100%"]
    assert summaries(abathur, "--exclude-status", "cancelled") == ["Alpha", "Beta 100%", "Gamma"]
    assert summaries(abathur, "--agent-type", "tester") == ["Alpha"]
    assert summaries(abathur, "--source", "agent_planner") == ["Beta 100%"]
    assert summaries(abathur, "--target", "release") == ["Gamma"]
    assert summaries(abathur, "--search", "0%") == ["Beta 100%"]
    assert summaries(abathur, "--parent", first[:13]) == ["Gamma"]
    assert summaries(abathur, "--limit", "2") == ["Gamma", "Delta"]
    result = abathur("task", "list", "--search", "nothing")
    assert result.err == "No task fits; leave out a filter to see more.\n"


def test_pages_are_put_together(abathur: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abathur.cli.task.listing.PAGE", 2)
    for number in range(5):
        abathur.submit(str(number))
    assert summaries(abathur) == ["0", "1", "2", "3", "4"]
    assert summaries(abathur, "--limit", "3") == ["2", "3", "4"]


def test_the_tree_shows_what_waits_for_what(abathur: Any, chain: Sequence[str]) -> None:
    abathur.submit("Other")
    lines = abathur.ok("task", "list", "--tree").splitlines()[1:]
    drawn = [" ".join(line.split()[4:-1]) for line in lines]
    assert drawn == ["First", "└─ Second", "└─ Third", "Other"]


def test_an_unknown_status_lists_the_known_ones(abathur: Any) -> None:
    result = abathur("task", "list", "--status", "done")
    assert result.code == 2
    assert "'completed'" in result.line


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_the_table_fits_whatever_a_task_is_called(abathur: Any, prompt: str) -> None:
    if not prompt.strip():
        return
    abathur.ok("task", "submit", "-", stdin=prompt.encode())
    for options in ([], ["--tree"]):
        out = abathur.ok("task", "list", "--limit", "5", *options)
        assert "\x1b" not in out
        assert all(columns(line) <= 80 for line in out.split("\n"))
