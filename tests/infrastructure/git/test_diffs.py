"""What differs between two commits, by processes that stay."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.diffs import KeptDiffs, diff_tree
from tests.infrastructure.git.conftest import Outside

PATCH = ("-p", "-z", "-U0", "--text", "--no-renames")
NAMES = ("-z", "--name-only", "--no-renames")


@pytest.fixture
async def kept(git_repo: Path) -> AsyncIterator[Git]:
    git = Git(git_repo)
    diffs = KeptDiffs(git)
    git.diffs = diffs
    yield git
    await diffs.close()


@pytest.mark.parametrize("options", [PATCH, NAMES, (*NAMES, "--diff-filter=A")])
async def test_the_answers_are_those_of_a_process_for_each(
    git: Outside, kept: Git, options: tuple[str, ...]
) -> None:
    commits = [git.head()]
    commits.append(git.commit({"a\n b": "end\n+++ b/x\n@@ -1 +1 @@\n", "deep/er/c": "no newline"}))
    commits.append(git.commit({"a\n b": "end\nother\n", "deep/er/c": None}))
    commits.append(git("commit-tree", "-m", "Same", "-p", commits[-1], f"{commits[-1]}^{{tree}}"))
    anew = Git(git.root)
    for old in commits:
        for new in commits:
            assert await diff_tree(kept, old, new, *options) == (
                await diff_tree(anew, old, new, *options)
            )


@pytest.mark.parametrize("limit", [None, 1000])
async def test_a_commit_that_is_not_there_is_an_error(
    git: Outside, kept: Git, limit: int | None
) -> None:
    here, missing = git.head(), "1" * 40
    for asked in (kept, Git(git.root)):
        for old, new in ((here, missing), (missing, here)):
            with pytest.raises(GitError):
                await diff_tree(asked, old, new, *PATCH, limit=limit)
    assert await diff_tree(kept, here, here, *PATCH, limit=limit) == b""


async def test_no_more_is_read_than_is_wanted(git: Outside, kept: Git) -> None:
    old = git.head()
    new = git.commit({"large": "a line of some length\n" * 200_000})
    whole = await diff_tree(kept, old, new, *PATCH)
    for asked in (kept, Git(git.root)):
        start = await diff_tree(asked, old, new, *PATCH, limit=100_000)
        assert 99_900 < len(start) <= 100_000
        assert whole.startswith(start)
    assert await diff_tree(kept, old, new, *NAMES) == b"large\0"
    assert await diff_tree(kept, old, new, *PATCH) == whole


async def test_a_cancelled_question_spoils_no_other(git: Outside, kept: Git) -> None:
    old, new = git.head(), git.commit({"a": "a\n"})
    for turns in range(8):
        asking = asyncio.ensure_future(diff_tree(kept, old, new, *PATCH))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        assert await diff_tree(kept, old, new, *NAMES) == b"a\0"
        assert b"+a\n" in await diff_tree(kept, old, new, *PATCH)
