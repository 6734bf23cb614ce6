"""A folder that git would remove although something of ours is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abathur.infrastructure.git.repository import GitRepository

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside


async def test_a_folder_outside_of_the_cone_is_left_out_once_it_has_tracked_files(
    git: Outside, repository: GitRepository
) -> None:
    assert not await repository.leaves_out("ours")
    (git.root / "src").mkdir()
    (git.root / "src" / "a").write_text("a\n")
    git("add", ".")
    git("commit", "-qm", "src")
    git("sparse-checkout", "set", "--cone", "src")
    assert not await repository.leaves_out("ours")
    (git.root / "ours").mkdir()
    (git.root / "ours" / "settings").write_text("a\n")
    git("add", "--sparse", "ours")
    git("commit", "-qm", "ours")
    assert await repository.leaves_out("ours")
    git("sparse-checkout", "add", "ours")
    assert not await repository.leaves_out("ours")
    git("sparse-checkout", "disable")
    assert not await repository.leaves_out("ours")
