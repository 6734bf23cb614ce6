"""No path that a model says leads out of the worktree, or keeps us waiting."""

import os
from pathlib import Path

import pytest

from abathur.infrastructure.model_agent.places import MAX_FILE, Places, ToolError


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in ("work/src", "beside", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "work" / ".git").write_text("gitdir: elsewhere")
    (tmp_path / "outside" / "secret").write_text("secret")
    return Places(tmp_path / "work", (tmp_path / "beside",))


def test_files_below_the_worktree_and_beside_it_are_used(places: Places, tmp_path: Path) -> None:
    places.write("src/deep/a.txt", "ä")
    places.write(str(tmp_path / "beside" / "b.txt"), "b")
    assert places.read("src/../src/deep/a.txt") == "ä"
    assert places.read(str(tmp_path / "beside" / "b.txt")) == "b"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "/etc/passwd",
        "src/../../outside/secret",
        "link/secret",
        "file-link",
        ".git",
        ".git/config",
        "src/.git/hooks/x",
        "",
        "a\0b",
        None,
        5,
        "~/x/../../../outside/secret",
        "x" * 5000,
    ],
)
def test_every_way_out_is_refused(places: Places, tmp_path: Path, path: object) -> None:
    (tmp_path / "work" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "work" / "file-link").symlink_to(tmp_path / "outside" / "secret")
    with pytest.raises(ToolError):
        places.read(path)
    with pytest.raises(ToolError):
        places.write(path, "overwritten")
    assert (tmp_path / "outside" / "secret").read_text() == "secret"
    assert (tmp_path / "work" / ".git").read_text() == "gitdir: elsewhere"


def test_pipes_and_folders_are_no_files(places: Places, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "work" / "pipe")
    for path in ("pipe", "src", "."):
        with pytest.raises(ToolError):
            places.read(path)
        with pytest.raises(ToolError):
            places.write(path, "x")


def test_what_is_too_large_or_no_text_is_refused(places: Places, tmp_path: Path) -> None:
    (tmp_path / "work" / "large").write_bytes(b"x" * (MAX_FILE + 1))
    (tmp_path / "work" / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ToolError, match="larger than 5 MB"):
        places.read("large")
    with pytest.raises(ToolError, match="isn't text"):
        places.read("bytes")
    with pytest.raises(ToolError, match="larger"):
        places.write("new", "x" * (MAX_FILE + 1))
    assert not (tmp_path / "work" / "new").exists()


def test_links_that_circle_end_the_walk(places: Places, tmp_path: Path) -> None:
    (tmp_path / "work" / "src" / "again").symlink_to(tmp_path / "work")
    (tmp_path / "work" / "src" / "a").write_text("a")
    found = [places.shown(file) for file in places.walk(places.root)]
    assert found == ["src/a"]
