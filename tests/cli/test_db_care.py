"""Fixing, restoring, recovering and shrinking the database from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur.infrastructure.database.engines.sqlite import connect

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur


def database(abathur: Abathur) -> Path:
    return abathur.root / ".abathur" / "abathur.db"


def spoil(abathur: Abathur, sql: str) -> None:
    connection = connect(str(database(abathur)), busy_timeout=5)
    connection.execute(sql)
    connection.close()


def contents(abathur: Abathur) -> list[object]:
    connection = connect(str(database(abathur)), busy_timeout=5)
    try:
        tables = ("tasks", "task_dependencies", "audit", "sqlite_sequence")
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
    finally:
        connection.close()


def beside(abathur: Abathur, why: str) -> list[Path]:
    return sorted(database(abathur).parent.glob(f"*.{why}.bak"))


@pytest.fixture
def wrong(abathur: Abathur) -> str:
    """The id of a task whose row contradicts the others."""
    task = abathur.submit("Wait", "-p", abathur.submit("First"))
    spoil(abathur, f"UPDATE tasks SET unmet_count = 9 WHERE id = '{task}'")
    return task


def test_a_problem_is_told_with_its_code_word_and_how_to_go_on(
    abathur: Abathur, wrong: str
) -> None:
    result = abathur("db", "check")
    assert (result.code, result.out) == (
        1,
        f"unmet_counts: task {wrong} counts 9 unmet prerequisites, but 1 are not completed *\n",
    )
    assert "--fix --dry-run" in result.err


def test_a_dry_run_shows_and_changes_nothing(abathur: Abathur, wrong: str) -> None:
    before = contents(abathur)
    result = abathur("db", "check", "--fix", "--dry-run")
    assert result.code == 1
    assert "  unmet_count: 9 -> 1" in result.out.splitlines()
    assert contents(abathur) == before
    assert beside(abathur, "before-fix") == []


def test_a_fix_backs_up_shows_tells_the_trail_and_is_undone(abathur: Abathur, wrong: str) -> None:
    told = abathur("db", "check", "--fix", "--json").json
    assert (told["ok"], told["problems"], told["dry_run"]) == (True, [], False)
    (fix,) = told["fixes"]
    assert (fix["code"], fix["key"]) == ("unmet_counts", wrong)
    assert (fix["before"]["unmet_count"], fix["after"]["unmet_count"]) == (9, 1)
    assert [Path(told["backup"])] == beside(abathur, "before-fix")
    assert "fixed" in abathur.ok("audit", wrong)
    assert abathur.ok("db", "check") == "no problems found"
    abathur.ok("db", "check", "--undo")
    assert "counts 9 unmet" in abathur("db", "check").out


def test_a_queue_behind_a_link_is_fixed_and_restored_where_it_is(
    abathur: Abathur, tmp_path: Path
) -> None:
    link, file = database(abathur), tmp_path / "real.db"
    link.unlink()
    link.symlink_to(file)
    task = abathur.submit("Wait", "-p", abathur.submit("First"))
    spoil(abathur, f"UPDATE tasks SET unmet_count = 9 WHERE id = '{task}'")
    before = contents(abathur)
    assert abathur("db", "check", "--fix").code == 0
    assert abathur("db", "check", "--undo").code == 0
    assert contents(abathur) == before
    assert link.is_symlink()
    assert beside(abathur, "before-fix") == beside(abathur, "before-restore") == []
    assert len([*tmp_path.glob("real.db.*.bak")]) == 2


def test_an_undo_never_takes_later_work_along(abathur: Abathur, wrong: str) -> None:
    abathur.ok("db", "check", "--fix")
    later = abathur.submit("Later")
    result = abathur("db", "check", "--undo")
    assert result.code == 4
    assert "changes were made since" in result.line
    assert abathur("task", "show", later).code == 0


def test_without_a_fix_there_is_nothing_to_undo(abathur: Abathur) -> None:
    assert abathur("db", "check", "--undo").code == 4
    assert abathur("db", "check", "--undo", "--fix").code == 2
    assert abathur("db", "check", "--dry-run").code == 2


def test_a_sound_queue_needs_no_backup_to_be_fixed(abathur: Abathur) -> None:
    abathur.submit()
    assert abathur("db", "check", "--fix").code == 0
    assert beside(abathur, "before-fix") == []


def test_a_restore_asks_before_it_takes_work_back(abathur: Abathur, tmp_path: Path) -> None:
    kept = abathur.submit("Kept")
    abathur.ok("db", "backup", str(tmp_path / "b.db"))
    undone = abathur.submit("Undone")
    refused = abathur("db", "restore", str(tmp_path / "b.db"))
    assert refused.code == 4
    assert refused.line.endswith("to accept that, add --yes")
    told = abathur("db", "restore", str(tmp_path / "b.db"), "--yes", "--json").json
    assert (told["tasks"], told["entries_undone"], told["completed_undone"]) == ({"ready": 1}, 1, 0)
    assert [one["id"] for one in abathur("task", "list", "--json").json] == [kept]
    before = abathur("--db", told["kept"], "task", "list", "--json").json
    assert [one["id"] for one in before] == [kept, undone]


def test_a_restore_needs_no_question_when_nothing_is_lost(abathur: Abathur, tmp_path: Path) -> None:
    abathur.submit()
    abathur.ok("db", "backup", str(tmp_path / "b.db"))
    abathur.ok("db", "restore", str(tmp_path / "b.db"))
    database(abathur).unlink()
    abathur.ok("db", "restore", str(tmp_path / "b.db"))
    database(abathur).write_bytes(b"not a database " * 1000)
    result = abathur("db", "restore", str(tmp_path / "b.db"))
    assert result.code == 0
    assert "can't be read" in result.err
    assert abathur.ok("db", "check", "--full") == "no problems found"


def test_a_living_swarm_keeps_its_database(abathur: Abathur, tmp_path: Path) -> None:
    abathur.ok("db", "backup", str(tmp_path / "b.db"))
    abathur.script("Hang", {"say": "hanging"}, {"hang": True})
    with abathur.popen("swarm", "start", "--json", stdout=-1) as swarm:
        assert swarm.stdout is not None
        while b'"hanging"' not in swarm.stdout.readline():
            assert swarm.poll() is None
        restored = abathur("db", "restore", str(tmp_path / "b.db"), "--yes")
        abathur.ok("db", "check", "--fix")
        abathur.ok("swarm", "stop", "--now")
        swarm.stdout.read()
    assert restored.code == 4
    assert "abathur swarm stop" in restored.line


def test_what_a_damaged_file_holds_is_recovered(abathur: Abathur, tmp_path: Path) -> None:
    for number in range(30):
        abathur.submit(f"Task {number} {'x' * 3000}")
    file = database(abathur)
    data = bytearray(file.read_bytes())
    place = 4096 * (len(data) // 4096 // 2)
    data[place : place + 4096] = bytes(4096)
    file.write_bytes(data)
    target = tmp_path / "new.db"
    told = abathur("db", "recover", str(target), "--json")
    assert told.code == 1
    found = told.json
    assert (found["complete"], found["damaged_pages"]) == (False, 1)
    assert {problem["code"] for problem in found["problems"]} <= {"audit_gap"}
    there = abathur("--db", str(target), "task", "list", "--json").json
    kept = {one["table"]: one["kept"] for one in found["tables"]}
    assert len(there) == kept["tasks"] >= 25
    assert abathur("db", "recover", str(target)).code == 2
    assert abathur("db", "recover").code == 2


def test_a_vacuum_tells_what_it_gave_back(abathur: Abathur) -> None:
    for number in range(20):
        abathur.submit(f"Task {number} {'x' * 20_000}")
    abathur.ok("task", "cancel", *(one["id"] for one in abathur("task", "list", "--json").json))
    abathur.ok("task", "prune", "--status", "cancelled", "--yes")
    told = abathur("db", "vacuum", "--json").json
    assert told["after"] < told["before"]
    assert database(abathur).stat().st_size == told["after"]
    assert abathur.ok("db", "check", "--full") == "no problems found"
