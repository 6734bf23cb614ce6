"""A real repository, and git itself to look at it from outside."""

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from abathur.infrastructure.git.repository import GitRepository, open_repository


class Outside:
    """The repository as a person with git at hand sees and changes it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *args: str, at: Path | None = None, code: int = 0) -> str:
        result = subprocess.run(
            ("git", *args), cwd=at or self.root, capture_output=True, text=True, check=False
        )
        assert result.returncode == code, f"git {args}: {result.stderr}"
        return result.stdout.removesuffix("\n")

    def head(self, at: Path | None = None) -> str:
        return self("rev-parse", "HEAD", at=at)

    def write(self, files: Mapping[str, str | None], at: Path | None = None) -> None:
        for name, text in files.items():
            path = (at or self.root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)

    def commit(self, files: Mapping[str, str | None], at: Path | None = None) -> str:
        """Write the files, or delete them for None, and commit; the commit's hash."""
        self.write(files, at)
        self("add", "--all", at=at)
        self("commit", "--quiet", "--message", "Change", at=at)
        return self.head(at)

    def files(self, revision: str) -> set[str]:
        listed = self("ls-tree", "-r", "-z", "--name-only", revision)
        return set(listed.removesuffix("\0").split("\0"))


@pytest.fixture
def git(git_repo: Path) -> Outside:
    return Outside(git_repo)


@pytest.fixture(params=["asked anew", "kept open"])
async def repository(
    git_repo: Path, request: pytest.FixtureRequest
) -> AsyncIterator[GitRepository]:
    """As a command uses it, which asks little, and as a swarm does."""
    opened = await open_repository(git_repo)
    async with opened.kept_open() if request.param == "kept open" else nullcontext():
        yield opened
