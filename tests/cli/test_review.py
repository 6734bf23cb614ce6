"""`abathur review` and `abathur salvage`, as a person has them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Abathur, configure

PAGE = {"write": {"path": "page.txt", "text": "hello\nworld\n"}}
NASTY = "Bash(echo \x1b[31m)"


@pytest.fixture
def waiting(abathur: Abathur) -> tuple[Abathur, str, str]:
    """Work that waits for approval, its task and its review."""
    configure(abathur, review={"required_for": ["main"]})
    task = abathur.script("Write a page", PAGE)
    abathur.run_swarm()
    (review,) = open_reviews(abathur)
    return abathur, task, review["id"]


def open_reviews(abathur: Abathur) -> Any:
    return abathur("review", "list", "--json").json


def test_a_swarm_that_waits_for_a_person_says_so_and_ends_well(abathur: Abathur) -> None:
    configure(abathur, review={"required_for": ["*"]})
    abathur.script("Write a page", PAGE)
    ended = abathur("swarm", "start", "--until-idle")
    assert ended.code == 0
    assert "nothing is left to do now; 1 task waits for a review" in ended.out
    assert "`abathur review list` shows what waits for you" in ended.err
    status = abathur.ok("swarm", "status")
    assert "in review" in status
    assert "1 task waits for a review; see `abathur review list`" in status
    plain = abathur("swarm", "status", "--json").json
    assert (plain["idle"], len(plain["reviews"])) == (True, 1)
    assert abathur.ok("why").splitlines() == [
        "1 task waits for a review; see `abathur review list`",
        "no swarm is running; `abathur swarm start` starts one",
    ]


def test_a_question_is_shown_with_what_it_is_about(waiting: Any) -> None:
    abathur, task, review = waiting
    shown = abathur.ok("review", "show", review)
    for part in (
        "May the work of attempt 1 land on main?",
        "1 file changed, 2 lines added, 0 removed",
        "+2 -0  page.txt",
        f"abathur diff {task[:13]} --attempt 1",
        f"abathur review approve {review[:13]}",
    ):
        assert part in shown
    detail = abathur("review", "show", review, "--json").json
    assert detail["files"] == [{"path": "page.txt", "added": 2, "removed": 0}]
    assert (detail["task"]["id"], detail["target_moved"]) == (task, False)
    abathur.git("commit", "-q", "--allow-empty", "-m", "Move")
    assert "main has moved since this was asked" in abathur.ok("review", "show", review)


def test_approved_work_lands(waiting: Any) -> None:
    abathur, task, review = waiting
    answer = abathur("review", "approve", review[:13], "--comment", "fine", "--json").json
    assert (answer["state"], answer["comment"]) == ("approved", "fine")
    assert abathur("review", "list").err.strip() == "Nothing waits for an answer."
    abathur.run_swarm()
    assert abathur.git("show", "main:page.txt") == "hello\nworld"
    assert abathur("review", "approve", review).code == 4
    assert [one["state"] for one in abathur("review", "list", task, "--all", "--json").json] == [
        "approved"
    ]


def test_a_question_about_work_that_is_gone_says_so_and_can_be_answered(waiting: Any) -> None:
    abathur, task, review = waiting
    abathur.git("worktree", "remove", "--force", abathur_worktree(abathur, task))
    for branch in abathur.git("branch", "--list", "task/*", "--format=%(refname:short)").split():
        abathur.git("branch", "-qD", branch)
    abathur.git("reflog", "expire", "--expire=all", "--all")
    abathur.git("gc", "-q", "--prune=now")
    shown = abathur.ok("review", "show", review)
    assert "the repository no longer has these commits" in shown
    assert "review approve" not in shown
    assert abathur("review", "show", review, "--json").json["files"] == []
    abathur.ok("review", "reject", review, "--comment", "do it again")
    detail = abathur("task", "show", task, "--json").json
    assert (detail["task"]["status"], detail["attempts"][0]["salvage_ref"]) == ("ready", None)
    abathur.run_swarm()
    (again,) = open_reviews(abathur)
    assert again["attempt"] == 2


def abathur_worktree(abathur: Abathur, task: str) -> str:
    found = abathur("task", "show", task, "--json").json["task"]["worktree_path"]
    assert isinstance(found, str)
    return found


def test_a_rejection_needs_a_reason_or_an_end(waiting: Any) -> None:
    abathur, task, review = waiting
    refused = abathur("review", "reject", review)
    assert refused.code == 2
    assert "--comment is missing" in refused.line
    abathur.ok("review", "reject", review, "--comment", "write more")
    shown = abathur("task", "show", task, "--json").json
    assert (shown["task"]["status"], shown["task"]["rework_count"]) == ("ready", 1)
    assert shown["attempts"][0]["salvage_ref"] == f"refs/abathur/salvage/{task}/1"


def test_a_rejected_task_can_be_cancelled(waiting: Any) -> None:
    abathur, task, review = waiting
    done = abathur("review", "reject", review, "--cancel")
    assert "is cancelled" in done.err
    assert abathur("task", "show", task, "--json").json["task"]["status"] == "cancelled"
    assert abathur.git("show", f"refs/abathur/salvage/{task}/1:page.txt")


def test_a_permission_is_shown_harmlessly_and_answered(abathur: Abathur) -> None:
    abathur.script("Deploy", {"need": NASTY}, PAGE)
    abathur.run_swarm()
    (review,) = open_reviews(abathur)
    shown = abathur.ok("review", "show", review["id"])
    assert "\x1b" not in shown
    assert "Bash(echo" in shown
    abathur.ok("review", "approve", review["id"])
    abathur.run_swarm()
    assert abathur.git("show", "main:page.txt")


def test_allow_is_for_permissions(waiting: Any) -> None:
    abathur, _, review = waiting
    refused = abathur("review", "approve", review, "--allow", "Bash")
    assert refused.code == 2
    assert "leave --allow out" in refused.line


def test_an_unknown_review_is_not_found(abathur: Abathur) -> None:
    assert abathur("review", "show", "ffff").code == 3
    assert abathur("review", "show", "?").code == 2


# Salvage


@pytest.fixture
def kept(abathur: Abathur) -> tuple[Abathur, str]:
    """A task that has failed after it had made something."""
    task = abathur.submit(
        "Write half", "--input-data", json.dumps({"script": [PAGE, {"fail": "I give up"}]}),
        "--max-retries", "0",
    )  # fmt: skip
    abathur.run_swarm()
    return abathur, task


def test_kept_work_is_listed_and_shown(kept: Any) -> None:
    abathur, task = kept
    (one,) = abathur("salvage", "list", "--json").json
    assert (one["task_id"], one["attempt"], one["files"], one["status"]) == (task, 1, 1, "failed")
    assert one["ref"] == f"refs/abathur/salvage/{task}/1"
    assert "Write half" in abathur.ok("salvage", "list", task[:13])
    shown = abathur.ok("salvage", "show", task)
    assert "+2 -0  page.txt" in shown
    assert f"abathur salvage restore {task[:13]}/1" in shown


def test_work_sent_back_by_a_check_counts_its_own_files(abathur: Abathur) -> None:
    configure(abathur, verify="false", retry={"max_rework": 0})
    abathur.script("Try", PAGE)
    (abathur.root / "other.txt").write_text("others\n")
    abathur.git("add", "other.txt")
    abathur.git("commit", "-qm", "Others")
    abathur.run_swarm()
    (one,) = abathur("salvage", "list", "--json").json
    assert one["files"] == 1


def test_kept_work_becomes_a_branch_that_nobody_overwrites(kept: Any) -> None:
    abathur, task = kept
    branch = abathur.ok("salvage", "restore", task)
    assert branch == f"salvage/{task[:13]}-1"
    assert abathur.git("show", f"{branch}:page.txt") == "hello\nworld"
    assert abathur.ok("salvage", "restore", f"{task}/1") == branch
    before = abathur.git("rev-parse", "main")
    refused = abathur("salvage", "restore", task, "--branch", "main")
    assert refused.code == 5
    assert "choose another name" in refused.line
    assert abathur.git("rev-parse", "main") == before
    assert len(abathur("salvage", "list", "--json").json) == 1


def test_kept_work_is_checked_out_in_a_folder(kept: Any, tmp_path: Path) -> None:
    abathur, task = kept
    place = tmp_path / "back"
    made = abathur("salvage", "restore", task, "--worktree", str(place), "--json").json
    assert (place / "page.txt").read_text() == "hello\nworld\n"
    assert (made["worktree"], made["branch"]) == (str(place), f"salvage/{task[:13]}-1")
    refused = abathur("salvage", "restore", task, "--branch", "b", "--worktree", str(place))
    assert refused.code == 4
    assert abathur.git("branch", "--list", "b") == ""


def test_what_isnt_kept_isnt_found(kept: Any) -> None:
    abathur, task = kept
    assert abathur("salvage", "restore", "ffff").code == 3
    refused = abathur("salvage", "restore", f"{task}/7")
    assert refused.code == 3
    assert "there are: 1" in refused.line


def test_nothing_kept_is_said_so(abathur: Abathur) -> None:
    assert abathur("salvage", "list").err.strip() == "Nothing is kept: all work has landed."
    assert abathur("salvage", "list", "--json").json == []


# Notices


def test_a_failed_task_is_told_on_the_desktop(
    abathur: Abathur, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    program = tmp_path / "bin" / "notify-send"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{told}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    configure(abathur, notices={"desktop": True})
    abathur.submit("Try", "--max-retries", "0", "--input-data", '{"script": [{"fail": "no"}]}')
    abathur.run_swarm()
    assert told.read_text().splitlines()[-2:] == ["A task has failed: repo", "Try: no"]


def test_a_swarm_that_couldnt_call_doesnt_start(abathur: Abathur) -> None:
    configure(abathur, notices={"webhook": "NOT_SET"})
    refused = abathur("swarm", "start", "--until-idle")
    assert refused.code == 2
    assert "variable `NOT_SET` isn't set" in refused.err
