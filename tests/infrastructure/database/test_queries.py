"""Finding SQL by name."""

from pathlib import Path

import pytest

from abathur.infrastructure.database import queries


def write(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    return folder


def test_sections_are_found_by_name(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "common",
        a="-- About all.\n\n-- name: one\nSELECT 1;\n\n-- Why two.\n-- name: two\nSELECT\n  2\n",
    )
    assert queries.read(folder) == {"one": "SELECT 1;", "two": "SELECT\n  2"}


def test_the_engines_own_folder_wins(tmp_path: Path) -> None:
    common = write(tmp_path / "common", a="-- name: a\nSELECT 1;\n-- name: b\nSELECT 1;\n")
    own = write(tmp_path / "sqlite", a="-- name: b\nSELECT 2;\n")
    found = queries.read(common, own, tmp_path / "none")
    assert found == {"a": "SELECT 1;", "b": "SELECT 2;"}


def test_an_unknown_name_is_said(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="tasks_clam"):
        queries.read(tmp_path)["tasks_clam"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n", "`a` is used twice"),
        ("SELECT 1;\n-- name: a\nSELECT 2;\n", "before the first"),
        ("-- name: a\n\n-- name: b\nSELECT 2;\n", "nothing follows `-- name: a`"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        queries.read(write(tmp_path / "common", a=text))


def test_the_same_name_in_two_files_of_a_folder_is_a_mistake(tmp_path: Path) -> None:
    folder = write(tmp_path / "common", a="-- name: a\nSELECT 1;", b="-- name: a\nSELECT 2;")
    with pytest.raises(ValueError, match="used twice"):
        queries.read(folder)
