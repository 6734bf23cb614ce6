"""One git process that stays and answers what it is asked."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.objects import KeptObjects
from abathur.infrastructure.git.revisions import is_ancestor
from tests.infrastructure.git.conftest import Outside

MAIN = "refs/heads/main"


@pytest.fixture
async def objects(git_repo: Path) -> AsyncIterator[KeptObjects]:
    kept = KeptObjects(Git(git_repo))
    yield kept
    await kept.close()


def children() -> list[psutil.Process]:
    """Those that are git: other tests may have left a process that forks."""
    return [one for one in psutil.Process().children() if one.name() == "git"]


async def test_it_sees_what_others_change(git: Outside, objects: KeptObjects) -> None:
    first = git.head()
    assert await objects.names(["HEAD"]) == [first]
    second = git.commit({"a.txt": "a\n"})
    assert await objects.names(["HEAD", "HEAD~1"]) == [second, first]
    git("branch", "other")
    git("pack-refs", "--all")
    git("gc", "--quiet", "--prune=now")
    third = git.commit({"b.txt": "b\n"})
    assert await objects.names(["refs/heads/other", "HEAD", third]) == [second, third, third]
    git("branch", "--delete", "--force", "other")
    assert await objects.names(["refs/heads/other"]) == [None]


async def test_one_process_answers_all(git: Outside, objects: KeptObjects) -> None:
    answers = await asyncio.gather(*(objects.names([MAIN, "no such"]) for _ in range(50)))
    assert answers == [[git.head(), None]] * 50
    assert len(children()) == 1


@pytest.mark.parametrize(
    "name", ["no such", "a b c", "HEAD commit 12", "deadbeef", "HEAD^{tree} x"]
)
async def test_what_is_not_there_has_no_hash(objects: KeptObjects, name: str) -> None:
    assert await objects.names([name, "HEAD"]) == [None, *await objects.names(["HEAD"])]


async def test_parents(git: Outside, objects: KeptObjects) -> None:
    first = git.head()
    git("checkout", "--quiet", "-b", "side")
    side = git.commit({"side.txt": "parent 1234\n\nparent 5678\n"})
    git("checkout", "--quiet", "-")
    other = git.commit({"other.txt": "x\n"})
    git("merge", "--quiet", "--no-ff", "-m", f"parent {first}\n\nparent {first}", "side")
    assert await objects.parents([git.head(), first, "0" * 40]) == [(other, side), (), None]


async def test_who_is_whose_ancestor_is_found_without_another_process(
    git: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [git.head()]
    behind = [{0}]
    for parents in ([0], [0], [1, 2], [1], [3, 4], [5], [6], [2, 7]):
        named = [word for one in parents for word in ("-p", made[one])]
        text = str(len(made))
        made.append(git("commit-tree", "-m", text, *named, "HEAD^{tree}"))
        behind.append({len(made) - 1}.union(*(behind[one] for one in parents)))
    asking = Git(git.root)
    asking.objects = objects = KeptObjects(asking)
    monkeypatch.setattr(asking, "run", None)  # a process for the question would fail
    for one, commit in enumerate(made):
        for other, descendant in enumerate(made):
            assert await is_ancestor(asking, commit, descendant) == (one in behind[other])
    await objects.close()


async def test_a_history_that_is_cut_off_is_left_to_git(git: Outside) -> None:
    commits = [git.head(), *(git.commit({"a": f"{number}\n"}) for number in range(12))]
    (git.root / ".git" / "shallow").write_text(f"{commits[3]}\n")
    asking = Git(git.root)
    asking.objects = objects = KeptObjects(asking)
    assert await is_ancestor(asking, commits[3], commits[-1])
    assert not await is_ancestor(asking, commits[0], commits[-1])
    with pytest.raises(GitError):
        await is_ancestor(asking, "1" * 40, commits[0])
    await objects.close()


async def test_one_that_was_killed_is_replaced(git: Outside, objects: KeptObjects) -> None:
    await objects.names(["HEAD"])
    os.kill(children()[0].pid, signal.SIGKILL)
    assert await objects.names(["HEAD"]) == [git.head()]


async def test_a_cancelled_question_spoils_no_other(git: Outside, objects: KeptObjects) -> None:
    head = git.head()
    for turns in range(12):
        # Whatever is left of its answer is another one than that to the next question.
        asking = asyncio.ensure_future(objects.names([f"{MAIN}^{{tree}}", "no such"]))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        assert await objects.names(["HEAD"]) == [head]


async def test_it_ends_when_it_is_closed(objects: KeptObjects) -> None:
    await objects.names(["HEAD"])
    (process,) = children()
    await objects.close()
    assert not process.is_running()


async def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    kept = KeptObjects(Git(tmp_path / "gone"))
    with pytest.raises(GitError, match="doesn't exist"):
        await kept.names(["HEAD"])


async def test_no_repository_is_told(tmp_path: Path) -> None:
    kept = KeptObjects(Git(tmp_path))
    with pytest.raises(GitError, match="no answer"):
        await kept.names(["HEAD"])
    await kept.close()
