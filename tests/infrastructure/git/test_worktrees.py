"""Worktrees come back after any crash, and go only when all in them is safe."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur.domain.errors import GitError
from abathur.infrastructure.git import scratch, worktrees
from abathur.infrastructure.git.repository import GitRepository

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worktrees" / "work 1"


def start_adding(git: Outside, path: Path) -> subprocess.Popen[bytes]:
    command = ("git", "worktree", "add", "--quiet", "-b", "work", str(path))
    return subprocess.Popen(command, cwd=git.root, start_new_session=True)


def records(git: Outside) -> set[str]:
    folder = git.root / ".git" / "worktrees"
    return {entry.name for entry in folder.iterdir()} if folder.exists() else set()


async def test_a_worktree_is_made_and_found_again(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    assert await repository.head(path) is None
    for _ in range(2):
        await repository.add_worktree(path, "abathur/ünï/1", git.head())
        assert (path / "README.md").exists()
        assert await repository.head(path) == git.head()
    assert git("symbolic-ref", "HEAD", at=path) == "refs/heads/abathur/ünï/1"


@pytest.mark.parametrize("is_detached", [False, True])
@pytest.mark.parametrize("odd", ["", "config.worktree", "sharedRepository"])
async def test_a_worktree_is_what_git_itself_would_make(
    git: Outside, repository: GitRepository, path: Path, odd: str, is_detached: bool
) -> None:
    start = git.commit({"a.txt": "a\n", "deep/b.txt": "b\n", ".gitattributes": "*.txt eol=crlf\n"})
    if odd == "config.worktree":
        (git.root / ".git" / odd).write_text("[user]\n\tname = Own\n")
        git("config", "extensions.worktreeConfig", "true")
    elif odd:
        git("config", "core.sharedRepository", "group")
    theirs = path.with_name("theirs")
    git("branch", "other", start)
    git("worktree", "add", *(("--detach",) if is_detached else ()), str(theirs), "other")
    if is_detached:
        await repository.add_detached_worktree(path, start)
    else:
        await repository.add_worktree(path, "work", start)
    ours, expected = git.root / ".git/worktrees/work-1", git.root / ".git/worktrees/theirs"
    for name in ("commondir", "gitdir", "HEAD", "config.worktree", "locked"):
        texts = [
            (record / name).read_text() if (record / name).exists() else None
            for record in (ours, expected)
        ]
        assert texts[1] is None or texts[0] == (
            texts[1].replace(str(theirs), str(path)).replace("heads/other", "heads/work")
        )
    assert not (ours / "locked").exists()
    assert ours.stat().st_mode == expected.stat().st_mode
    assert git("ls-files", "--stage", at=path) == git("ls-files", "--stage", at=theirs)
    assert git("status", "--porcelain", at=path) == ""
    assert (path / "deep/b.txt").read_bytes() == b"b\r\n"
    assert git("fsck", "--no-dangling") == ""
    assert {one.name for one in (git.root / ".git").glob("abathur*")} == set()


async def test_a_branch_that_somebody_works_on_is_not_checked_out_twice(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    with pytest.raises(GitError, match="`main` is checked out in"):
        await repository.add_worktree(path, "main", git.head())
    assert not path.exists()


async def test_a_detached_worktree_is_made_and_found_again(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    for _ in range(2):
        await repository.add_detached_worktree(path, git.head())
        assert await repository.head(path) == git.head()
    assert git("rev-parse", "--abbrev-ref", "HEAD", at=path) == "HEAD"


async def test_many_are_made_at_once(git: Outside, repository: GitRepository, path: Path) -> None:
    paths = [path / str(number) for number in range(8)]
    await asyncio.gather(*(repository.add_worktree(p, f"work/{p.name}", "main") for p in paths))
    assert [await repository.head(p) for p in paths] == [git.head()] * 8


async def test_a_worktree_with_other_work_is_not_taken_over(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    await repository.add_worktree(path, "work", "main")
    git.write({"new": "text"}, at=path)
    with pytest.raises(GitError, match=r"is a worktree already, .* uncommitted changes \(new\)"):
        await repository.add_worktree(path, "work", "main")
    with pytest.raises(GitError, match="is a worktree already"):
        await repository.add_worktree(path, "other", "main")
    git.commit({"new": "text"}, at=path)
    with pytest.raises(GitError, match="branch `work` exists already"):
        await repository.add_worktree(path, "work", "main")
    assert (path / "new").read_text() == "text"


async def test_only_the_branch_was_made(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    git("branch", "work")
    await repository.add_worktree(path, "work", "main")
    assert git("symbolic-ref", "HEAD", at=path) == "refs/heads/work"


async def test_only_an_empty_folder_was_made(repository: GitRepository, path: Path) -> None:
    path.mkdir(parents=True)
    await repository.add_worktree(path, "work", "main")
    assert (path / "README.md").exists()


async def test_the_folder_is_gone_and_its_record_stale(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    other = path.with_name("other")
    for folder in (path, other):
        await repository.add_worktree(folder, folder.name.replace(" ", "-"), "main")
        folder.rename(folder.with_name(f"{folder.name} moved"))
    await repository.add_worktree(path, "work-1", "main")
    assert (path / "README.md").exists()
    assert records(git) == {"work-1", "other"}


async def test_git_was_killed_while_it_filled_the_folder(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    fifo = git.root.parent / "fifo"
    os.mkfifo(fifo)
    git.commit({".gitattributes": "z filter=slow", "z": "text", "a": "text"})
    git("config", "filter.slow.smudge", f"echo > {fifo}; sleep 1000")
    adding = start_adding(git, path)
    fifo.read_text()
    os.killpg(adding.pid, signal.SIGKILL)
    adding.wait()
    git("config", "--unset", "filter.slow.smudge")
    assert (path / ".git").exists()
    await repository.add_worktree(path, "work", "main")
    assert (path / "z").read_text() == "text"
    assert git("status", "--porcelain", at=path) == ""
    assert len(records(git)) == 1


async def test_who_lost_the_branch_meanwhile_leaves_only_what_can_be_cleared(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    """As after a thaw: a successor has taken the work over, and its branch away."""
    git.commit({".gitattributes": "z filter=thief", "z": "text"})
    git("config", "filter.thief.smudge", "git update-ref -d refs/heads/work; cat")
    with pytest.raises(GitError, match="`work` went away while its worktree was made"):
        await repository.add_worktree(path, "work", "main")
    git("config", "--unset", "filter.thief.smudge")
    await repository.remove_worktree(path, kept_by="main")
    assert not path.exists()
    assert records(git) == set()


async def test_who_lost_the_worktree_meanwhile_is_told_so(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    git.commit({".gitattributes": "z filter=thief", "z": "text"})
    git("config", "filter.thief.smudge", 'rm -r "$GIT_DIR"; cat')
    with pytest.raises(GitError):
        await repository.add_worktree(path, "work", "main")


@pytest.mark.parametrize("what", ["file", "folder", "repository", "link"])
async def test_what_is_not_ours_is_not_destroyed(
    git: Outside, repository: GitRepository, path: Path, what: str
) -> None:
    target = path.parent / "target"
    target.mkdir(parents=True)
    (target / "precious").write_text("text")
    if what == "file":
        path.write_text("text")
    elif what == "link":
        path.symlink_to(target)
    else:
        target.rename(path)
    if what == "repository":
        git("init", "--quiet", at=path)
    before = sorted(os.walk(path.parent))
    with pytest.raises(GitError, match="isn't a worktree of"):
        await repository.add_worktree(path, "work", "main")
    with pytest.raises(GitError, match="isn't a linked worktree of"):
        await repository.remove_worktree(path, kept_by="main")
    assert await repository.head(path) is None
    assert sorted(os.walk(path.parent)) == before


async def test_the_main_working_tree_is_never_removed(
    git: Outside, repository: GitRepository
) -> None:
    with pytest.raises(GitError, match="isn't a linked worktree"):
        await repository.remove_worktree(repository.root, kept_by="main")
    assert await repository.head(repository.root) == git.head()


@pytest.mark.parametrize("branch", ["-x", "--force", "HEAD", "a..b", "", "a b", "@{-1}"])
async def test_a_bad_branch_name_is_refused(
    repository: GitRepository, path: Path, branch: str
) -> None:
    with pytest.raises(GitError):
        await repository.add_worktree(path, branch, "main")
    assert not path.exists()


async def test_removing_takes_build_output_along(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    git.commit({".gitignore": "build/\n"})
    await repository.add_worktree(path, "work", "main")
    git.write({"build/deep/output": "text"}, at=path)
    (path / "build" / "deep").chmod(0o500)
    (path / "build" / "link").symlink_to(git.root)
    for _ in range(2):
        await repository.remove_worktree(path, kept_by="main")
    assert not any(path.parent.iterdir())
    assert records(git) == set()
    assert (git.root / "README.md").exists()
    assert "work" in await repository.branches()


@pytest.mark.parametrize("change", ["new", "changed", "deleted", "staged", "merge", "commit"])
async def test_removing_is_refused_when_something_would_be_lost(
    git: Outside, repository: GitRepository, path: Path, change: str
) -> None:
    git.commit({"file": "text"})
    await repository.add_worktree(path, "work", "main")
    git("config", "status.showUntrackedFiles", "no")
    if change == "commit":
        git.commit({"new": "text"}, at=path)
    elif change == "merge":
        other = git("commit-tree", "-p", "HEAD", "-m", "Other", "HEAD^{tree}")
        git("merge", "--quiet", "--no-commit", "--no-ff", other, at=path)
    else:
        name = "new" if change == "new" else "file"
        git.write({name: None if change == "deleted" else "other"}, at=path)
        if change == "staged":
            git("add", ".", at=path)
            git.write({"file": "text"}, at=path)
    with pytest.raises(GitError, match="nothing was removed"):
        await repository.remove_worktree(path, kept_by="main")
    assert (path / ".git").exists()
    assert records(git) == {"work-1"}


async def test_removing_goes_on_after_a_crash(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    await repository.add_worktree(path, "work", "main")
    path.rename(path.with_name(".work 1.removed"))
    await repository.remove_worktree(path, kept_by="main")
    assert not any(path.parent.iterdir())
    assert records(git) == set()


async def test_what_a_crash_leaves_of_a_record_is_found_by_the_name_of_its_place_and_removed(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    await repository.add_worktree(path.with_name("elsewhere") / "third", "third", "main")
    await repository.add_detached_worktree(path, git.head())
    await repository.add_detached_worktree(path.with_name("2"), git.head())
    for place in (path, path.with_name("2")):
        place.rename(place.with_name(f"{place.name} moved"))
    # As it is while it is written, and while it is removed.
    (git.root / ".git/worktrees/2").rename(git.root / ".git/abathur-worktree-2")
    assert await repository.recorded_in(path.parent) == {"work 1", "2"}
    for name in ("work 1", "2"):
        await repository.remove_detached_worktree(path.with_name(name))
    assert await repository.recorded_in(path.parent) == set()
    assert records(git) == {"third"}
    assert list((git.root / ".git").glob("abathur*")) == []


async def test_nothing_is_written_or_removed_through_a_link_in_the_place_of_a_record(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    precious = path.parent / "precious"
    precious.mkdir(parents=True)
    (precious / "locked").write_text("text")
    (git.root / ".git/abathur-worktree-work 1").symlink_to(precious)
    with pytest.raises(GitError, match="is a link, which we would write through"):
        await repository.add_worktree(path, "work", "main")
    with pytest.raises(GitError, match="is a link"):
        await repository.remove_detached_worktree(path)
    assert (precious / "locked").read_text() == "text"


async def test_a_worktree_inside_is_checked_and_forgotten_too(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    await repository.add_worktree(path, "work", "main")
    inside = path / ".agent" / "inside"
    git("worktree", "add", "--quiet", "-b", "inside", str(inside), at=path)
    git.write({"new": "text"}, at=inside)
    assert await repository.commit_leftovers(path, "Nothing") == git.head()
    with pytest.raises(GitError, match="uncommitted changes"):
        await repository.remove_worktree(path, kept_by="main")
    git.commit({"new": "text"}, at=inside)
    with pytest.raises(GitError, match="doesn't contain its head"):
        await repository.remove_worktree(path, kept_by="main")
    await repository.remove_worktree(path, kept_by="inside")
    assert records(git) == set()


@pytest.mark.parametrize("is_inside", [False, True])
async def test_a_worktree_that_somebody_locked_stays_where_it_is(
    git: Outside, repository: GitRepository, path: Path, is_inside: bool
) -> None:
    await repository.add_worktree(path, "work", "main")
    locked = path / ".agent" / "inside" if is_inside else path
    if is_inside:
        git("worktree", "add", "--quiet", "-b", "inside", str(locked), at=path)
    git("worktree", "lock", "--reason", "on a stick", str(locked))
    with pytest.raises(GitError, match=r"is locked \(on a stick\)"):
        await repository.remove_worktree(path, kept_by="main")
    assert locked.is_dir()
    git("worktree", "unlock", str(locked))
    await repository.remove_worktree(path, kept_by="main")
    assert records(git) == set()


async def test_the_record_of_a_locked_worktree_outlives_its_folder(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    await repository.add_detached_worktree(path, git.head())
    git("worktree", "lock", str(path))
    path.rename(path.with_name("taken along"))
    with pytest.raises(GitError, match="is locked"):
        await repository.remove_detached_worktree(path)
    assert records(git) == {"work-1"}


async def test_others_go_on_while_what_a_check_left_is_removed(
    git: Outside, repository: GitRepository, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await repository.add_detached_worktree(path, git.head())
    others_went_on = threading.Event()

    def slowly(folder: Path) -> None:
        assert others_went_on.wait(10)
        worktrees.remove_folder(folder)

    monkeypatch.setattr(scratch, "remove_folder", slowly)
    removing = asyncio.create_task(repository.remove_detached_worktree(path))
    asyncio.get_running_loop().call_later(0.01, others_went_on.set)
    await removing
    assert not path.exists()


async def test_a_submodule_with_commits_of_its_own_is_not_lost(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    allowed = ("-c", "protocol.file.allow=always", "submodule")
    git("clone", "--quiet", ".", str(path.parent / "library"))
    git(*allowed, "add", "--quiet", str(path.parent / "library"), "library")
    git("commit", "--quiet", "--message", "Submodule")
    await repository.add_worktree(path, "work", "main")
    git(*allowed, "update", "--quiet", "--init", at=path)
    own = git.commit({"new": "text"}, at=path / "library")
    work = await repository.commit_leftovers(path, "Work")
    assert git("ls-tree", work, "library").split()[:3] == ["160000", "commit", own]
    with pytest.raises(GitError, match=f"has the commit {own[:12]}, which no remote has"):
        await repository.remove_worktree(path, kept_by=work)
    git("push", "--quiet", "origin", "HEAD:refs/heads/pushed", at=path / "library")
    await repository.remove_worktree(path, kept_by=work)
    assert not path.exists()
