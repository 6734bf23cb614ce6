from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur

PAGE = 4096


def test_a_sound_database(abathur: "Abathur") -> None:
    assert abathur.ok("db", "check") == "no problems found"
    told = abathur("db", "check", "--full", "--json").json
    assert (told["ok"], told["problems"]) == (True, [])


def test_a_damaged_database_is_a_bad_answer(abathur: "Abathur") -> None:
    abathur.submit("x" * 20_000)
    file = abathur.root / ".abathur" / "abathur.db"
    data = bytearray(file.read_bytes())
    place = next(n for n in range(0, len(data), PAGE) if data[n : n + PAGE].count(b"x") > 4000)
    data[place : place + PAGE] = b"\xff" * PAGE
    file.write_bytes(data)
    result = abathur("db", "check")
    assert result.code == 1
    assert {line.partition(":")[0] for line in result.out.splitlines()} == {"file_damaged"}
    assert "abathur db recover" in result.err
    told = abathur("db", "check", "--json").json["problems"]
    assert {(one["code"], one["table"]) for one in told} == {("file_damaged", None)}
    assert all(len(one["text"].splitlines()) == 1 for one in told)
    assert abathur("task", "list").code == 6


def test_what_is_in_it(abathur: "Abathur") -> None:
    abathur.submit()
    facts = abathur("db", "info", "--json").json
    assert facts["path"] == str(abathur.root / ".abathur" / "abathur.db")
    assert facts["rows"]["tasks"] == 1
    lines = abathur.ok("db", "info").splitlines()
    assert lines[0].split() == ["path", facts["path"]]
    assert "  tasks                        1" in lines


def test_a_backup_is_a_database_with_the_same_tasks(abathur: "Abathur", tmp_path: Path) -> None:
    task = abathur.submit()
    target = tmp_path / "copy.db"
    told = abathur("db", "backup", str(target), "--json").json
    assert told == {"path": str(target), "size": target.stat().st_size}
    there = abathur("--db", str(target), "task", "list", "--json").json
    assert [one["id"] for one in there] == [task]


def test_a_backup_overwrites_nothing(abathur: "Abathur", tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    result = abathur("db", "backup", str(target))
    assert (result.code, result.line) == (
        2,
        f"abathur: {target} is there already; name a new file",
    )
    assert target.read_text() == "mine"


def test_a_backup_needs_a_folder(abathur: "Abathur", tmp_path: Path) -> None:
    assert abathur("db", "backup", str(tmp_path / "no" / "copy.db")).code == 2


def test_none_is_made_by_looking(abathur: "Abathur", tmp_path: Path) -> None:
    missing = tmp_path / "none.db"
    for command in (["check"], ["info"], ["backup", str(tmp_path / "copy.db")]):
        assert abathur("--db", str(missing), "db", *command).code == 3
    assert not missing.exists()
