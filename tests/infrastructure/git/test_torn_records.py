"""What a killed git, or a power cut, left empty is filled in, and nobody else's files are."""

from pathlib import Path

import pytest

from abathur.infrastructure.git import torn_records
from abathur.infrastructure.git.repository import GitRepository
from tests.infrastructure.git.conftest import Outside


@pytest.fixture
def torn(git: Outside, tmp_path: Path) -> Path:
    """The file of a worktree's record that git would stumble over from now on."""
    git("worktree", "add", "--quiet", str(tmp_path / "an other"), "-b", "other")
    found = git.root / ".git" / "worktrees" / "an-other" / "commondir"
    found.write_bytes(b"")
    git("worktree", "list", code=128)
    return found


async def test_a_record_that_was_left_empty_keeps_nobody_from_working(
    git: Outside, repository: GitRepository, torn: Path, tmp_path: Path
) -> None:
    # Where files are to be left out of checkouts, git itself makes the worktree.
    (git.root / ".git" / "info").mkdir(exist_ok=True)
    (git.root / ".git" / "info" / "sparse-checkout").write_text("/*\n")
    await repository.add_worktree(tmp_path / "mine", "task/mine", git.head())
    assert torn.read_text() == "../..\n"
    assert git.head(at=tmp_path / "an other") == git.head(at=tmp_path / "mine")


@pytest.mark.parametrize(
    "complaint",
    ["failed to read {}: Permission denied", "failed to read {}x: Success", "{}: File exists"],
)
def test_any_other_complaint_changes_nothing(torn: Path, complaint: str) -> None:
    assert not torn_records.mend(complaint.format(torn).encode(), torn.parent)
    assert torn.read_bytes() == b""


def test_what_is_written_by_now_and_what_is_a_link_stay(torn: Path, tmp_path: Path) -> None:
    complaint = f"fatal: failed to read {torn}: Success".encode()
    torn.write_text("../../elsewhere\n")
    assert torn_records.mend(complaint, tmp_path)
    assert torn.read_text() == "../../elsewhere\n"
    torn.unlink()
    (outside := tmp_path / "outside").touch()
    torn.symlink_to(outside)
    assert not torn_records.mend(complaint, tmp_path)
    assert outside.read_bytes() == b""
