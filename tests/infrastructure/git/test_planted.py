"""What an agent leaves in its worktree to make our own git do more than it should."""

from pathlib import Path

import pytest

from abathur.domain.errors import GitError
from abathur.infrastructure.git.repository import GitRepository
from tests.infrastructure.git.conftest import Outside


@pytest.fixture
async def path(git: Outside, repository: GitRepository, tmp_path: Path) -> Path:
    await repository.add_worktree(tmp_path / "work", "task/work", "main")
    return tmp_path / "work"


def record_of(git: Outside, path: Path) -> Path:
    return Path(git("rev-parse", "--absolute-git-dir", at=path))


async def test_leftovers_on_somebody_else_s_branch_don_t_move_it(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    main = git.head()
    git("switch", "--quiet", "--ignore-other-worktrees", "main", at=path)
    git.write({"stolen": "text"}, at=path)
    commit = await repository.commit_leftovers(path, "Left")
    assert git("rev-parse", "main") == main
    assert "stolen" in git.files(commit)


async def test_a_branch_that_stands_for_another_one_moves_and_deletes_nothing(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    main = git.head()
    git("symbolic-ref", "refs/heads/task/work", "refs/heads/main", at=path)
    git.write({"stolen": "text"}, at=path)
    commit = await repository.commit_leftovers(path, "Left")
    await repository.salvage("t", 1, commit)
    await repository.remove_worktree(path, kept_by="refs/abathur/salvage/t/1")
    await repository.delete_branch("task/work", kept_by="refs/abathur/salvage/t/1")
    assert git("rev-parse", "main") == main
    assert git("for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main"


@pytest.mark.parametrize("name", ["index", "COMMIT_EDITMSG", "logs", "logs/HEAD", "ORIG_HEAD"])
async def test_a_link_in_git_s_own_folder_is_refused(
    git: Outside, repository: GitRepository, path: Path, tmp_path: Path, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir() if name == "logs" else victim.write_text("mine\n")
    file = record_of(git, path) / name
    file.rename(tmp_path / "aside") if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    file.symlink_to(victim)
    git.write({"work": "text"}, at=path)
    with pytest.raises(GitError, match="is a link, which git would write through"):
        await repository.commit_leftovers(path, "Left")
    with pytest.raises(GitError, match="is a link"):
        await repository.remove_worktree(path, kept_by="main")
    assert (path / "work").read_text() == "text"
    assert not any(victim.iterdir()) if name == "logs" else victim.read_text() == "mine\n"


async def test_a_repository_inside_runs_nothing_when_we_look_for_changes(
    git: Outside, repository: GitRepository, path: Path, tmp_path: Path
) -> None:
    inner, ran = path / "inner", tmp_path / "ran"
    inner.mkdir()
    git("init", "--quiet", at=inner)
    git.commit({"a": "text", ".gitattributes": "* filter=evil\n"}, at=inner)
    git("add", "inner", at=path)
    git("config", "filter.evil.clean", f"touch {ran}; cat", at=inner)
    # As long as it was: git sees another length without asking the filter.
    git.write({"a": "next"}, at=inner)
    # What it would come to: the look from outside runs what the agent has named.
    git("status", "--porcelain", at=path)
    assert ran.exists()
    ran.unlink()
    git.write({"a": "last"}, at=inner)
    with pytest.raises(GitError, match=r"has `filter\.evil\.clean` in its configuration"):
        await repository.commit_leftovers(path, "Left")
    with pytest.raises(GitError, match=r"filter\.evil\.clean"):
        await repository.remove_worktree(path, kept_by="main")
    assert not ran.exists()


async def test_a_link_in_place_of_the_worktree_leads_nowhere(
    git: Outside, repository: GitRepository, path: Path, tmp_path: Path
) -> None:
    """Neither into another task's worktree nor to a folder of the person's."""
    other = tmp_path / "other"
    await repository.add_worktree(other, "task/other", "main")
    git.write({"theirs": "text"}, at=other)
    path.rename(tmp_path / "moved")
    path.symlink_to(other, target_is_directory=True)
    assert await repository.head(path) is None
    for attempt in (
        repository.commit_leftovers(path, "Left"),
        repository.remove_worktree(path, kept_by="main"),
    ):
        with pytest.raises(GitError, match="isn't a linked worktree"):
            await attempt
    assert (other / "theirs").read_text() == "text"
    assert git("status", "--porcelain", at=other) == "?? theirs"


async def test_links_inside_a_worktree_are_removed_and_not_followed(
    git: Outside, repository: GitRepository, path: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    (precious / "deep").mkdir(parents=True)
    (precious / "deep" / "file").write_text("mine\n")
    (path / "away").symlink_to(precious, target_is_directory=True)
    commit = await repository.commit_leftovers(path, "Left")
    ref = await repository.salvage("t", 1, commit)
    await repository.remove_worktree(path, kept_by=ref)
    assert not path.exists()
    assert (precious / "deep" / "file").read_text() == "mine\n"
