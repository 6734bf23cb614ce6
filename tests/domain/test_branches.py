"""Names that git takes, checked against git itself."""

import re
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.branches import (
    names_in_the_way,
    salvage_ref,
    slug,
    task_branch,
    worktree_name,
)

STARTED = datetime(2030, 1, 31, 12, 5, 9, tzinfo=UTC)
STAMP = "20300131-120509"

# Git is started once an example.
WITH_GIT = settings(max_examples=60)
MANY = settings(max_examples=200)

TEXTS = st.text(max_size=80) | st.text(alphabet="aZ9 .-/_~^:?*[\\@{}ßé", max_size=80)


def git_accepts(name: str) -> bool:
    command = ["git", "check-ref-format", "--branch", name]
    return not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fix the login page", "fix-the-login-page"),
        ("  Über-Größe: façade!  ", "uber-grosse-facade"),
        ("日本語", "task"),
        ("", "task"),
        ("..", "task"),
        ("--force", "force"),
        ("refs.lock", "refs-lock"),
        ("a/b\\c", "a-b-c"),
        ("x" * 50, "x" * 40),
        (
            "Move the settings of every runtime into one file",
            "move-the-settings-of-every-runtime-into",
        ),
        (
            "word-that-ends-at-exactly-forty-letters-x and more",
            "word-that-ends-at-exactly-forty-letters",
        ),
    ],
)
def test_slugs_are_readable(text: str, expected: str) -> None:
    assert slug(text) == expected


@MANY
@given(TEXTS)
def test_slugs_are_short_plain_and_never_empty(text: str) -> None:
    made = slug(text)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", made)
    assert slug(made) == made


def test_a_branch_is_named_after_the_work_and_its_start() -> None:
    assert task_branch("Fix it", STARTED, []) == f"task/fix-it/{STAMP}"


def test_the_start_is_told_in_utc() -> None:
    elsewhere = STARTED.astimezone(timezone(timedelta(hours=-11)))
    assert task_branch("Fix it", elsewhere, []) == f"task/fix-it/{STAMP}"


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (["main", "task/other/x"], f"task/fix/{STAMP}"),
        ([f"task/fix/{STAMP}"], f"task/fix/{STAMP}-2"),
        ([f"Task/FIX/{STAMP}", f"task/fix/{STAMP}-2"], f"task/fix/{STAMP}-3"),
        ([f"task/fix/{STAMP}/a-folder"], f"task/fix/{STAMP}-2"),
        (["task"], f"task-fix/{STAMP}"),
        (["task/fix"], f"task-fix/{STAMP}"),
        (["task", f"task-fix/{STAMP}"], f"task-fix/{STAMP}-2"),
        (["task", "task-fix"], f"task-fix-{STAMP}"),
        (["task", "task-fix", f"task-fix-{STAMP}"], f"task-fix-{STAMP}-2"),
    ],
)
def test_a_branch_gives_way_to_those_that_exist(taken: list[str], expected: str) -> None:
    assert task_branch("Fix", STARTED, taken) == expected


@MANY
@given(
    st.sets(
        st.sampled_from(
            ["task", "task/fix", "task-fix", "TASK-fix"]
            + [
                f"{stem}{end}"
                for stem in ("task/fix/", "task-fix/", "task-fix-")
                for end in (STAMP, f"{STAMP}-2", f"{STAMP}/x", f"{STAMP}-3/y/z")
            ]
        )
    )
)
def test_a_new_branch_neither_equals_contains_nor_lies_below_another(taken: set[str]) -> None:
    made = task_branch("Fix", STARTED, taken)
    for name in map(str.casefold, taken):
        assert made != name
        assert not made.startswith(f"{name}/")
        assert not name.startswith(f"{made}/")


def test_attempts_that_start_in_the_same_second_get_different_branches() -> None:
    taken: list[str] = []
    for _ in range(50):
        taken.append(task_branch("Fix", STARTED, taken))
    assert len(set(taken)) == 50


@pytest.mark.parametrize("first", ["task", "task/fix", "task-fix", f"task/fix/{STAMP}/x"])
def test_git_can_create_all_the_branches_side_by_side(first: str, git_repo: Path) -> None:
    taken = ["main", first]
    for _ in range(3):
        taken.append(task_branch("Fix", STARTED, taken))
    for name in taken[1:]:
        subprocess.run(["git", "branch", name], cwd=git_repo, check=True)


@WITH_GIT
@given(TEXTS)
def test_git_accepts_the_branch_of_any_summary(summary: str) -> None:
    made = task_branch(summary, STARTED, ["task"])
    assert git_accepts(made)


def test_work_that_did_not_land_is_kept_outside_the_branches() -> None:
    assert salvage_ref("0199-ab", 2) == "refs/abathur/salvage/0199-ab/2"


def test_every_attempt_has_a_folder_of_its_own() -> None:
    assert worktree_name("0199-ab", 1) == "0199-ab-1"
    assert worktree_name("0199-ab", 1) != worktree_name("0199-ab", 11)


@pytest.mark.parametrize("others", [[], ["main", "task-fix/x", "task/other", "task/fix/1"]])
def test_no_branch_matters_but_those_in_the_way(others: list[str]) -> None:
    free = task_branch("Fix", STARTED, [])
    assert names_in_the_way("Fix", STARTED) == ("task", "task/fix", free)
    assert task_branch("Fix", STARTED, others) == free
    for name in names_in_the_way("Fix", STARTED):
        assert task_branch("Fix", STARTED, [*others, name]) != free
