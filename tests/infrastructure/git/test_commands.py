"""How git is run: undisturbed by surroundings, hooks, locks and a change of mind."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur.domain.errors import GitError
from abathur.infrastructure.git import spawning
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.repository import GitRepository, open_repository

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside


async def test_the_surroundings_do_not_lead_git_astray(
    git: Outside, git_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git.head()
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "nonsense")
    assert await (await open_repository(git_repo)).resolve("main") == head


async def test_the_users_hooks_and_signing_stay_out(
    git: Outside, repository: GitRepository, tmp_path: Path
) -> None:
    hooks = git.root / ".git" / "hooks"
    for name in ("pre-commit", "commit-msg", "post-checkout", "reference-transaction"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(stat.S_IRWXU)
    git("config", "commit.gpgSign", "true")
    git("config", "gpg.program", "false")
    start = git("rev-parse", "HEAD")
    await repository.add_worktree(tmp_path / "work", "work", start)
    git.write({"new": "text"}, at=tmp_path / "work")
    work = await repository.commit_leftovers(tmp_path / "work", "Work")
    merge = await repository.merge(start, work, "Merge")
    assert not hasattr(merge, "paths")


@pytest.mark.parametrize("configured", [True, False])
async def test_abathur_signs_only_where_the_user_has_no_name(
    git: Outside, git_repo: Path, monkeypatch: pytest.MonkeyPatch, configured: bool
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    if configured:
        git("config", "user.name", "Uma User")
        git("config", "user.email", "uma@example.org")
    repository = await open_repository(git_repo)
    path = git_repo.parent / "work"
    await repository.add_worktree(path, "work", "main")
    git.write({"new": "text"}, at=path)
    commit = await repository.commit_leftovers(path, "Work")
    expected = "Uma User <uma@example.org>" if configured else "Abathur <abathur@localhost>"
    assert git("log", "-1", "--format=%an <%ae>|%cn <%ce>", commit) == f"{expected}|{expected}"


async def test_an_error_names_the_command_and_what_git_said(git_repo: Path) -> None:
    with pytest.raises(GitError) as caught:
        await Git(git_repo).run("rev-list", "--max-count=1", "no-such-thing", "--")
    assert str(caught.value) == (
        "`git rev-list --max-count=1 no-such-thing --` failed with exit code 128: "
        "fatal: bad revision 'no-such-thing'"
    )


async def test_a_lock_that_goes_is_waited_for(git: Outside, git_repo: Path) -> None:
    lock = git_repo / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            lock.unlink()

    repository = await open_repository(git_repo, sleep)
    old = git.head()
    new = git("commit-tree", "-m", "New", "-p", old, "HEAD^{tree}")
    await repository.move_branch("main", old, new, "test")
    assert len(pauses) == 3
    assert git.head() == new


async def test_a_lock_that_stays_is_an_error_after_a_bounded_wait(
    git: Outside, git_repo: Path
) -> None:
    (git_repo / ".git" / "refs" / "heads" / "main.lock").touch()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    repository = await open_repository(git_repo, sleep)
    old = git.head()
    new = git("commit-tree", "-m", "New", "-p", old, "HEAD^{tree}")
    with pytest.raises(GitError, match="File exists"):
        await repository.move_branch("main", old, new, "test")
    assert 1 < sum(pauses) < 5
    assert git.head() == old


@pytest.fixture
def filtered(git: Outside) -> Path:
    """Adding `a.slow` takes for ever; the pid of git can be read from this pipe meanwhile."""
    fifo = git.root / "fifo"
    os.mkfifo(fifo)
    git("config", "filter.slow.clean", f"echo $PPID > {fifo}; sleep 1000")
    git.write({".gitattributes": "*.slow filter=slow", "a.slow": "text"})
    return fifo


@pytest.fixture(params=["files in memory", "pipes"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How git is given its input and read: pipes are for systems that lack the other."""
    if request.param == "pipes":
        monkeypatch.setattr(spawning, "is_available", lambda: False)
    elif not spawning.is_available():
        pytest.skip("this system hasn't what it takes")


@pytest.mark.usefixtures("way")
async def test_git_hears_all_of_its_input_and_is_heard(git_repo: Path) -> None:
    text = b"line\n" * 100_000
    made = await Git(git_repo).run("hash-object", "-w", "--stdin", stdin=text)
    assert (await Git(git_repo).run("cat-file", "blob", made.text)).stdout == text
    none = await Git(git_repo).run("cat-file", "-e", "0" * 40, codes=(0, 1))
    assert (none.code, none.stdout) == (1, b"")
    with pytest.raises(GitError, match=r"the folder .*/gone doesn't exist"):
        await Git(git_repo / "gone").run("version")


@pytest.mark.usefixtures("way")
async def test_a_git_that_is_not_installed_is_told(
    git_repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(git_repo))
    with pytest.raises(GitError, match="isn't installed, or isn't on PATH"):
        await Git(git_repo).run("version")


@pytest.mark.usefixtures("way")
async def test_cancelling_leaves_no_git_and_no_lock(git: Outside, filtered: Path) -> None:
    lock = git.root / ".git" / "index.lock"
    task = asyncio.ensure_future(Git(git.root).run("add", "a.slow"))
    # Whoever opens the pipe waits for the other side: the filter is running then.
    pid = int(await asyncio.to_thread(filtered.read_text))
    assert lock.exists()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not lock.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("turns", [0, 2, 4])
async def test_cancelling_while_git_starts_is_as_clean(
    git: Outside, filtered: Path, turns: int
) -> None:
    task = asyncio.ensure_future(Git(git.root).run("add", "a.slow"))
    for _ in range(turns):
        await asyncio.sleep(0)
    if turns == 4:
        # The event loop stands still until git is at work.
        assert filtered.read_text()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (git.root / ".git" / "index.lock").exists()
