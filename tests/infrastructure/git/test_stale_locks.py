"""A lock is taken away when nobody can hold it any more, and only then."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from abathur.infrastructure.git import stale_locks
from abathur.infrastructure.git.repository import GitRepository
from tests.infrastructure.git.conftest import Outside


class Steady:
    """A clock that only the test moves, beside the real start times of processes."""

    seconds = 1000.0

    def clear(self, lock: Path) -> bool:
        return stale_locks.clear(complaint(lock), lambda: self.seconds)


@pytest.fixture
def steady() -> Steady:
    return Steady()


@pytest.fixture
def lock(git_repo: Path) -> Path:
    return git_repo / ".git" / "refs" / "heads" / "main.lock"


@pytest.fixture
def old_git(git_repo: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that lives for as long as its standard input is open."""
    with subprocess.Popen(
        ["git", "hash-object", "--stdin"],
        cwd=git_repo,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as process:
        yield process
        process.kill()


def complaint(lock: Path) -> bytes:
    return f"fatal: Unable to create '{lock}': File exists.".encode()


def test_a_lock_is_watched_before_it_is_taken_away(lock: Path, steady: Steady) -> None:
    lock.touch()
    assert not steady.clear(lock)
    steady.seconds += stale_locks.SECONDS - 0.1
    assert not steady.clear(lock)
    steady.seconds += 0.2
    assert steady.clear(lock)
    assert not lock.exists()


def test_another_lock_of_the_same_name_is_watched_anew(lock: Path, steady: Steady) -> None:
    lock.touch()
    assert not steady.clear(lock)
    lock.unlink()
    lock.write_text("of another git")
    steady.seconds += 100
    assert not steady.clear(lock)
    assert lock.exists()


def test_a_git_that_was_there_before_may_hold_it(
    lock: Path, steady: Steady, old_git: subprocess.Popen[bytes]
) -> None:
    lock.touch()
    assert not steady.clear(lock)
    steady.seconds += 100
    assert not steady.clear(lock)
    old_git.kill()
    old_git.wait()
    assert steady.clear(lock)


def test_the_index_of_a_person_is_left_to_them(git_repo: Path, steady: Steady) -> None:
    lock = git_repo / ".git" / "index.lock"
    lock.touch()
    for _ in range(2):
        assert not steady.clear(lock)
        steady.seconds += 100
    assert lock.exists()


async def test_a_branch_moves_again_when_the_lock_of_a_killed_git_is_gone(
    repository: GitRepository, git: Outside, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = git.head()
    new = git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Next")
    lock.touch()
    monkeypatch.setattr(stale_locks, "SECONDS", 0.0)
    assert not stale_locks.clear(complaint(lock))
    await repository.move_branch("main", old, new, "test")
    assert git.head() == new
