"""What a person sees of an older database."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Abathur
from tests.infrastructure.database.legacy.older import LAST, UUIDS, make, task

RUST = "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, applied_at, description);"
ENTRY = {"id": 3, "timestamp": "2025-10-10 10:00:00", "task_id": UUIDS[1]} | {
    "action_type": "task_executed",
    "action_data": '{"tokens_used": 12}',
    "result": "success",
}


@pytest.fixture
def older(abathur: Abathur) -> Abathur:
    for file in abathur.root.glob(".abathur/abathur.db*"):
        file.unlink()
    return abathur


def database(abathur: Abathur) -> Path:
    return abathur.root / ".abathur" / "abathur.db"


def fill(abathur: Abathur) -> None:
    songs = "CREATE TABLE songs (title, sound);"
    make(
        database(abathur),
        LAST + songs,
        {
            "tasks": [task(1, status="completed"), task(2)],
            "audit": [ENTRY],
            "songs": [{"title": "La", "sound": b"\0\1\2"}],
        },
    )


def test_the_conversion_is_told_on_stderr_only(older: Abathur) -> None:
    fill(older)
    result = older.process("task", "list", "--json")
    assert {each["id"] for each in result.json} == {UUIDS[1], UUIDS[2]}
    assert result.err.splitlines()[0].startswith(
        f"abathur: `{database(older)}` is of an older Abathur"
    )
    assert "`abathur db legacy` shows them" in result.err
    again = older.process("task", "list", "--json")
    assert (again.out, again.err) == (result.out, "")


def test_a_converted_database_is_sound_and_goes_on(older: Abathur) -> None:
    fill(older)
    assert older.ok("db", "check", "--full") == "no problems found"
    assert older.submit("And on it goes", "-p", UUIDS[2])
    assert older.ok("db", "check") == "no problems found"
    assert "legacy_rows" in older.ok("db", "info")


def test_the_older_trail_is_shown_under_its_own_names(older: Abathur) -> None:
    fill(older)
    lines = older.ok("audit", UUIDS[1]).splitlines()
    assert "executed" in lines[1]
    assert "tokens_used=12" in lines[1]
    assert "imported" in lines[2]
    assert "completed, Thing 1" in lines[2]
    first, second = older("audit", UUIDS[1], "--json").json
    assert first["action_type"] == "legacy_recorded"
    assert first["action_data"]["action_data"] == {"tokens_used": 12}
    assert second["action_type"] == "task_imported"


def test_what_was_kept_is_counted_and_shown(older: Abathur) -> None:
    fill(older)
    counts = older.ok("db", "legacy")
    assert "songs" in counts
    assert "no table for it" in counts
    assert older.ok("db", "legacy", "songs").splitlines() == [
        "songs 1: no table for it",
        "  title: La",
        "  sound: 3 bytes",
    ]
    rows = older("db", "legacy", "songs", "--json").json
    assert [row["row"]["sound"] for row in rows] == [{"$base64": "AAEC"}]
    assert set(rows[0]) == {"id", "source_table", "source_key", "row", "reason"}


def test_a_table_of_which_nothing_was_kept(abathur: Abathur) -> None:
    result = abathur.process("db", "legacy", "songs")
    assert result.code == 3
    assert "nothing was kept of a table `songs`" in result.line


def test_nothing_is_kept_of_a_database_of_today(abathur: Abathur) -> None:
    abathur.submit()
    assert abathur("db", "legacy").err == "Nothing is kept of an older database.\n"
    assert abathur("db", "legacy", "--json").json == []


def bare(abathur: Abathur) -> None:
    make(database(abathur), "CREATE TABLE tasks (id); CREATE TABLE audit (id);")


def in_rust(abathur: Abathur) -> None:
    row = "INSERT INTO schema_migrations VALUES (14, '2026', 'x');"
    make(database(abathur), f"{RUST} {row} CREATE TABLE tasks (id);")


def beside_nothing(abathur: Abathur) -> None:
    """As in a repository where only the older version was used."""
    bare(abathur)
    for name in (".gitignore", "config.yaml"):
        with suppress(FileNotFoundError):
            (abathur.root / ".abathur" / name).unlink()


def cut_short(abathur: Abathur) -> None:
    make(database(abathur), "CREATE TABLE sessions (id); CREATE TABLE memory_entries (id);")


@pytest.mark.parametrize("left", [bare, in_rust, beside_nothing, cut_short])
@pytest.mark.parametrize("args", ["init", "task list", "swarm start --until-idle"])
def test_any_command_converts(older: Abathur, left: Callable[[Abathur], None], args: str) -> None:
    left(older)
    result = older.process(*args.split())
    assert result.code == 0, result
    assert "was converted" in result.err
    assert older.ok("db", "check") == "no problems found"
