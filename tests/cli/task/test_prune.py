"""`abathur task prune` at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur


@pytest.fixture
def ended(abathur: Abathur) -> tuple[str, str, str]:
    """A completed task, a failed one, and one that is ready."""
    good = abathur.script("Good", {"write": {"path": "a.txt", "text": "a\n"}})
    bad = abathur.script("Bad", {"write": {"path": "b.txt", "text": "b\n"}}, {"fail": "no idea"})
    abathur.run_swarm()
    return good, bad, abathur.submit("Waits")


def listed(abathur: Abathur) -> list[str]:
    return [one["id"] for one in abathur("task", "list", "--json").json]


def test_ended_tasks_go_and_their_trail_stays(
    abathur: Abathur, ended: tuple[str, str, str]
) -> None:
    good, bad, waits = ended
    told = abathur("task", "prune", "--before", "+1d", "--yes", "--json").json
    assert sorted(told["tasks"]) == sorted([good, bad])
    assert told["statuses"] == {"completed": 1, "failed": 1}
    assert told["rows"]["tasks"] == 2
    assert listed(abathur) == [waits]
    assert "pruned" in abathur.ok("audit", "--limit", "2")
    assert abathur.ok("db", "check", "--full") == "no problems found"
    assert abathur.git("show", "main:a.txt") == "a"
    assert "refs/abathur/salvage" in abathur.git("for-each-ref")


def test_a_dry_run_removes_nothing(abathur: Abathur, ended: tuple[str, str, str]) -> None:
    good, *_ = ended
    result = abathur("task", "prune", "--status", "completed", "--dry-run")
    assert result.out.split() == ["completed", "1"]
    assert "1 task would be pruned" in result.err
    assert good in listed(abathur)


def test_without_a_terminal_it_wants_a_yes(abathur: Abathur, ended: tuple[str, str, str]) -> None:
    result = abathur("task", "prune", "--status", "completed")
    assert (result.code, result.line) == (
        4,
        "abathur: 1 task would be removed for good; to accept that, add --yes",
    )
    assert len(listed(abathur)) == 3


def test_a_task_that_hasnt_ended_is_refused(abathur: Abathur, ended: tuple[str, str, str]) -> None:
    *_, waits = ended
    result = abathur("task", "prune", waits, "--yes")
    assert result.code == 4
    assert "is ready; only ended tasks can be pruned" in result.line


def test_a_branch_that_is_still_there_keeps_its_task(
    abathur: Abathur, ended: tuple[str, str, str]
) -> None:
    good, *_ = ended
    attempts = abathur("task", "show", good, "--json").json["attempts"]
    abathur.git("branch", attempts[0]["branch"])
    told = abathur("task", "prune", good, "--yes", "--json").json
    assert told["tasks"] == []
    assert "branch" in told["kept"][0]["reason"]
    assert abathur("task", "prune", good, "--yes", "--force", "--json").json["tasks"] == [good]
    assert attempts[0]["branch"] in abathur.git("branch", "--list")


def test_a_tree_goes_as_a_whole_or_not_at_all(abathur: Abathur) -> None:
    root = abathur.submit("Root")
    part = abathur.submit("Part", "--parent", root)
    abathur.ok("task", "cancel", root)
    assert abathur("task", "prune", root, "--recursive", "--yes").code == 4
    assert listed(abathur) == [root, part]
    abathur.ok("task", "cancel", part)
    told = abathur("task", "prune", root, "--recursive", "--yes", "--json").json
    assert told["tasks"] == [part, root]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], "say which tasks"),
        (["--older-than", "soon"], "isn't an age"),
        (["--older-than", "0d"], "isn't an age"),
        (["--older-than", "1d", "--before", "+1d"], "leave one out"),
        (["--status", "completed", "--recursive"], "needs ids"),
        (["--limit", "3", "-r", "aa"], "leave out --limit"),
    ],
)
def test_contradicting_options_are_refused(abathur: Abathur, options: list[str], part: str) -> None:
    result = abathur("task", "prune", *options)
    assert result.code == 2
    assert part in result.line


def test_nothing_to_prune_is_no_error(abathur: Abathur) -> None:
    result = abathur("task", "prune", "--older-than", "6mo")
    assert (result.code, result.out, result.err) == (0, "", "Nothing to prune.\n")
