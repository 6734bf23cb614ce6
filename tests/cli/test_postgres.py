"""Commands on a database that is on a server."""

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur


@pytest.fixture
def url(postgres_url: str) -> str:
    """With a password, which no command may tell."""
    return postgres_url.replace("postgres@", "postgres:geheim@")


@pytest.fixture(params=["option", "variable", "configuration"])
def place(
    request: pytest.FixtureRequest,
    abathur: "Abathur",
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, ...]:
    """The database named in each of the ways; the options that stand before a command."""
    if request.param == "option":
        return ("--db", url)
    if request.param == "variable":
        monkeypatch.setenv("ABATHUR_DB", url)
    else:
        (abathur.root / ".abathur" / "local.yaml").write_text(f"database: {url}\n")
    return ()


def test_a_task_is_queued_on_the_server(
    abathur: "Abathur", place: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = abathur.ok(*place, "task", "submit", "Do it")
    assert [one["id"] for one in abathur(*place, "task", "list", "--json").json] == [task]
    facts = abathur(*place, "db", "info", "--json").json
    assert facts["path"].startswith("postgresql://postgres@/tests_")
    assert (facts["rows"]["tasks"], facts["sqlite_version"]) == (1, None)
    assert facts["server_version"]
    monkeypatch.delenv("ABATHUR_DB", raising=False)
    (abathur.root / ".abathur" / "local.yaml").unlink(missing_ok=True)
    assert abathur("task", "list", "--json").json == []


def test_it_is_looked_after(abathur: "Abathur", url: str, tmp_path: Path) -> None:
    assert abathur.ok("--db", url, "db", "check") == "no problems found"
    assert "is up to date" in abathur.ok("--db", url, "db", "migrate")
    assert abathur("--db", url, "db", "migrate", "--json").json["migrations"] == []
    copy = tmp_path / "copy.db"
    told = abathur("--db", url, "db", "backup", str(copy), "--json").json
    assert told == {"path": str(copy), "size": copy.stat().st_size}
    assert abathur("--db", url, "db", "vacuum", "--json").code == 0
    checks = abathur("--db", url, "doctor", "--json").json["checks"]
    assert [one["verdict"] for one in checks if one["name"] == "database"] == ["ok"]


def test_a_fix_backs_up_shows_and_is_undone_until_something_else_is_done(
    abathur: "Abathur", url: str
) -> None:
    task = abathur.ok("--db", url, "task", "submit", "Do it")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE tasks SET unmet_count = 3, status = 'blocked'")
    shown = abathur("--db", url, "db", "check", "--fix", "--dry-run")
    assert "  unmet_count: 3 -> 0" in shown.out.splitlines()
    told = abathur("--db", url, "db", "check", "--fix", "--json").json
    assert [(one["code"], one["task_id"]) for one in told["fixes"]] == [("unmet_counts", task)]
    assert told["ok"]
    backup = Path(told["backup"])
    assert backup.parent == abathur.root / ".abathur"
    undone = abathur("--db", url, "db", "check", "--undo", "--json").json
    assert (undone["backup"], undone["entries_undone"]) == (str(backup), 1)
    assert "geheim" not in str(undone)
    assert "counts 3 unmet" in abathur("--db", url, "db", "check").out
    abathur.ok("--db", url, "db", "check", "--fix")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO sessions (id, app_name, user_id, created_at, last_update_time)"
            " VALUES ('s', 'a', 'u', '2099-01-01T00:00:00.000000Z', '2099-01-01T00:00:00.000000Z')"
        )
    noted = abathur("--db", url, "db", "check", "--undo")
    assert (noted.code, "changes were made since" in noted.line) == (4, True)
    later = abathur.ok("--db", url, "task", "submit", "Later")
    refused = abathur("--db", url, "db", "check", "--undo")
    assert (refused.code, "changes were made since" in refused.line) == (4, True)
    kept = abathur("--db", undone["kept"], "task", "list", "--json").json
    assert [one["status"] for one in kept] == ["ready"]
    told = abathur("--db", url, "db", "restore", str(backup), "--yes", "--json").json
    assert (told["tasks"], told["entries_undone"]) == ({"blocked": 1}, 2)
    assert abathur("--db", url, "task", "show", later).code == 3


def test_a_living_swarm_keeps_its_rows(abathur: "Abathur", url: str, tmp_path: Path) -> None:
    abathur.ok("--db", url, "db", "backup", str(tmp_path / "b.db"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO workers (id, host, pid, pid_started_at, repository, max_agents,"
            " started_at, heartbeat_at, lease_until) VALUES ('w', 'elsewhere', 1, 1, '/r', 1,"
            " '2030-01-01T00:00:00.000000Z', '2030-01-01T00:00:00.000000Z',"
            " '2030-01-01T00:00:00.000000Z')"
        )
    refused = abathur("--db", url, "db", "restore", str(tmp_path / "b.db"), "--yes")
    assert (refused.code, "on host elsewhere" in refused.line) == (4, True)
    abathur.ok("--db", url, "db", "restore", str(tmp_path / "b.db"), "--yes", "--force")


def test_init_is_content_with_it(abathur: "Abathur", url: str) -> None:
    assert "is set up already" in abathur.ok("--db", url, "init")


@pytest.mark.parametrize("option", ["-v", "--json"])
def test_a_server_that_isnt_there_is_told_without_the_password(
    abathur: "Abathur", option: str
) -> None:
    place = "postgresql://me:geheim@localhost:1/queue"
    before, after = ([option], []) if option == "-v" else ([], [option])
    result = abathur(*before, "--db", place, "task", "list", *after)
    assert result.code == 6
    assert "postgresql://me@localhost:1/queue" in result.err
    assert "geheim" not in result.out + result.err


@pytest.mark.parametrize("password", ["geheim", "geheim/1", "1:geheim", "geheim@/?#:"])
def test_a_crash_log_keeps_no_password(
    abathur: "Abathur", monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("abathur.cli.db.info.existing", broken)
    result = abathur("--db", f"postgresql://me:{password}@localhost/queue", "db", "info")
    assert result.code == 70
    (log,) = (abathur.root / ".abathur" / "logs").glob("crash-*.log")
    assert "postgresql://***@localhost/queue" in log.read_text()
    assert "geheim" not in log.read_text() + result.err
