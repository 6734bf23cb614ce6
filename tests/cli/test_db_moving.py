"""`abathur db migrate` and `abathur db copy`, and what a command says that upgrades by the way."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur.infrastructure.database import Database, migrate

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur

LATER = migrate.Migration(
    len(migrate.load("sqlite")) + 1, "later", "CREATE TABLE later (id TEXT PRIMARY KEY);"
)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> migrate.Migration:
    """A newer Abathur, with one more migration."""
    line = (*migrate.load("sqlite"), LATER)
    monkeypatch.setattr(migrate, "load", lambda _: line)
    return LATER


def file_of(abathur: "Abathur") -> Path:
    return abathur.root / ".abathur" / "abathur.db"


def test_a_database_that_is_up_to_date(abathur: "Abathur") -> None:
    version = LATER.version - 1
    assert abathur.ok("db", "migrate") == f"schema {version} is up to date"
    assert abathur("db", "migrate", "--dry-run", "--json").json == {
        "path": str(file_of(abathur)),
        "dry_run": True,
        "action": "nothing",
        "before": version,
        "after": version,
        "migrations": [],
        "copy": None,
    }


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    abathur: "Abathur", request: pytest.FixtureRequest
) -> None:
    abathur.submit()
    later = request.getfixturevalue("later")
    folder = file_of(abathur).parent
    before = {file: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    head = f"would upgrade from schema {later.version - 1} to {later.version}"
    assert abathur.ok("db", "migrate", "--dry-run").splitlines() == [head, f"  {later.title}"]
    assert {file: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before


def test_an_upgrade_tells_where_the_previous_state_is(
    abathur: "Abathur", request: pytest.FixtureRequest
) -> None:
    task = abathur.submit()
    later = request.getfixturevalue("later")
    told = abathur("db", "migrate", "--json").json
    assert (told["action"], told["migrations"]) == ("upgrade", [later.title])
    before = abathur("--db", told["copy"], "task", "list", "--json").json
    assert [one["id"] for one in before] == [task]


def test_another_command_that_upgrades_says_so_on_stderr(
    abathur: "Abathur", request: pytest.FixtureRequest
) -> None:
    task = abathur.submit()
    later = request.getfixturevalue("later")
    result = abathur("task", "list", "--json")
    assert [one["id"] for one in result.json] == [task]
    (copy,) = file_of(abathur).parent.glob("*.bak")
    assert result.err.splitlines() == [
        f"abathur: upgraded `{file_of(abathur)}` to schema {later.version}; "
        f"the previous state is in `{copy}`"
    ]
    assert abathur("task", "list").err == ""


def test_none_is_made_by_migrating(abathur: "Abathur", tmp_path: Path) -> None:
    for options in ([], ["--dry-run"]):
        assert abathur("--db", str(tmp_path / "none.db"), "db", "migrate", *options).code == 3
    assert not (tmp_path / "none.db").exists()


def test_a_copy_is_a_database_with_the_same_tasks(abathur: "Abathur", tmp_path: Path) -> None:
    task = abathur.submit()
    target = tmp_path / "copy.db"
    head, *lines = abathur.ok("db", "copy", str(file_of(abathur)), str(target)).splitlines()
    assert head.split() == ["TABLE", "ROWS", "SHA-256"]
    rows = {name: (int(count), digest) for name, count, digest in map(str.split, lines)}
    assert rows["tasks"][0] == 1
    there = abathur("--db", str(target), "task", "list", "--json").json
    assert [one["id"] for one in there] == [task]
    assert abathur("--db", str(target), "db", "check").code == 0
    again = abathur("db", "copy", str(target), str(tmp_path / "again.db"), "--json").json
    assert {table["name"]: table["sha256"][:16] for table in again["tables"]} == {
        name: digest for name, (_, digest) in rows.items()
    }


def test_a_copy_overwrites_nothing(abathur: "Abathur", tmp_path: Path) -> None:
    abathur.submit()
    target = tmp_path / "copy.db"
    abathur.ok("db", "copy", str(file_of(abathur)), str(target))
    before = target.read_bytes()
    result = abathur("db", "copy", str(file_of(abathur)), str(target))
    assert result.code == 2
    assert "has rows already" in result.line
    assert target.read_bytes() == before


def test_a_copy_needs_a_source(abathur: "Abathur", tmp_path: Path) -> None:
    result = abathur("db", "copy", str(tmp_path / "none.db"), str(tmp_path / "copy.db"))
    assert (result.code, "there is no database" in result.line) == (3, True)
    assert not (tmp_path / "copy.db").exists()


def test_a_source_in_use_by_a_swarm_is_refused(abathur: "Abathur", tmp_path: Path) -> None:
    abathur.script("Hang", {"hang": True})
    with abathur.popen("swarm", "start", stdout=-1) as swarm:
        try:
            assert swarm.stdout is not None
            while b"agent" not in swarm.stdout.readline():
                assert swarm.poll() is None
            result = abathur("db", "copy", str(file_of(abathur)), str(tmp_path / "copy.db"))
        finally:
            abathur("swarm", "stop", "--now")
    assert (result.code, f"process {swarm.pid}" in result.line) == (4, True)
    assert not (tmp_path / "copy.db").exists()


def test_a_program_that_uses_the_library_sees_nothing_on_its_streams(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    async def initialize() -> None:
        async with Database(tmp_path / "queue.db"):
            return

    asyncio.run(initialize())
    request.getfixturevalue("later")
    asyncio.run(initialize())
    assert capfd.readouterr() == ("", "")
