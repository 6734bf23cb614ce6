import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from abathur.cli.main import call
from abathur.domain.agents import Worker
from abathur.domain.disk import Kept
from abathur.domain.settings import DiskSettings
from abathur.infrastructure.database.engines import sqlite
from abathur.ports.diagnosis import Machine, Program, Target
from abathur.services.doctor import Check, Facts, Orphan, Verdict, has_failed, judge
from tests.cli.conftest import configure

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur

MACHINE = Machine(python=(3, 11, 7), sqlite="3.54.1", git="2.39.5", free_bytes=50_000_000_000)


def checks(**facts: Any) -> dict[str, Check]:
    return {check.name: check for check in judge(Facts(**{"machine": MACHINE} | facts))}


def verdict(name: str, **facts: Any) -> Verdict:
    check = checks(**facts)[name]
    assert bool(check.remedy) is (check.verdict is not Verdict.OK)
    return check.verdict


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("python", {"python": (3, 11, 0)}, Verdict.OK),
        ("python", {"python": (3, 10, 9)}, Verdict.FAIL),
        ("sqlite", {}, Verdict.OK),
        ("sqlite", {"sqlite_problem": "SQLite 3.51.2 can damage a file"}, Verdict.FAIL),
        ("git", {"git": "2.38.0"}, Verdict.OK),
        ("git", {"git": "2.100"}, Verdict.OK),
        ("git", {"git": "2.38.windows.1"}, Verdict.OK),
        ("git", {"git": "2.37.9"}, Verdict.FAIL),
        ("git", {"git": None}, Verdict.FAIL),
        ("disk", {"free_bytes": 1_000_000_000}, Verdict.WARN),
        ("disk", {"free_bytes": 1_000_000}, Verdict.FAIL),
    ],
)
def test_the_machine(name: str, change: dict[str, Any], expected: Verdict) -> None:
    assert verdict(name, machine=replace(MACHINE, **change)) is expected


def test_what_is_kept_is_told_and_too_little_room_is_to_look_at() -> None:
    kept = Kept(worktrees=3_000_000, transcripts=2_000)
    assert checks(kept=kept)["kept"].text == "3.0 MB: worktrees 3.0 MB, transcripts 2.0 kB"
    assert verdict("kept", kept=kept) is Verdict.OK
    assert verdict("kept", kept=kept, disk=DiskSettings(max_kept=1_000_000)) is Verdict.WARN
    assert verdict("kept", kept=kept, disk=DiskSettings(min_free=10**15)) is Verdict.WARN


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(branch=None), Verdict.FAIL),
        (Target(branch="x"), Verdict.FAIL),
        (Target(branch="x", exists=True, dirty=(Path("/w"),)), Verdict.WARN),
        (Target(branch="x", exists=True), Verdict.OK),
    ],
)
def test_the_target(target: Target, expected: Verdict) -> None:
    assert verdict("target", target=target) is expected


def test_the_agents() -> None:
    there = Program(agent_type="a", runtime="claude", program="claude", version="2.1")
    missing = Program(agent_type="b", runtime="claude", problem="isn't there; install it")
    found = checks(programs=[there, missing])
    assert found["agent a"].text == "claude: claude 2.1"
    assert (found["agent b"].text, found["agent b"].remedy) == ("isn't there", "install it")
    assert has_failed([found["agent b"]])


def test_a_log_that_a_reader_holds_is_told() -> None:
    assert verdict("log", project=Path("/p"), log_bytes=100_000_000) is Verdict.WARN
    assert "log" not in checks(project=Path("/p"), log_bytes=16_000_000)


def test_a_sqlite_that_damages_files_is_told_before_it_can(
    abathur: "Abathur", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "VERSION", "3.51.2")
    told = {one["name"]: one for one in abathur("doctor", "--json").json["checks"]}
    assert told["sqlite"]["verdict"] == "fail"
    assert "3.51.2 can damage" in told["sqlite"]["text"]
    refused = abathur("task", "list")
    assert (refused.code, "install `apsw`" in refused.line) == (6, True)


def test_what_is_left_over(some_worker: Worker) -> None:
    found = checks(orphans=[Orphan(some_worker, 3)], stale_worktrees=[Path("/w/1")])
    assert "holds 3 tasks" in found["worker"].text
    assert found["worktrees"].text == "no task works in /w/1"
    assert not has_failed([found["worker"], found["worktrees"]])


@pytest.fixture
def some_worker() -> Worker:
    from datetime import UTC, datetime

    now = datetime(2030, 1, 1, tzinfo=UTC)
    return Worker(
        id="w", host="h", pid=1, pid_started_at=1.0, repository="/r", max_agents=1,
        started_at=now, heartbeat_at=now, lease_until=now,
    )  # fmt: skip


def test_all_is_well(abathur: "Abathur") -> None:
    out = abathur.ok("doctor").splitlines()
    assert out[-1] == "everything is in order"
    assert all(line.startswith("ok    ") for line in out[:-1])
    found = abathur("doctor", "--json").json
    assert found["ok"] is True
    names = [check["name"] for check in found["checks"]]
    assert names == [
        "python", "sqlite", "git", "disk", "repository", "project", "configuration", "database",
        "agent general", "target", "kept",
    ]  # fmt: skip


def test_a_program_that_is_missing(abathur: "Abathur") -> None:
    configure(abathur, agents={"coder": {"runtime": "command", "argv": ["no-such-program"]}})
    result = abathur("doctor")
    assert result.code == 1
    assert "fail  agent coder     program `no-such-program` isn't on PATH" in result.out
    configure(abathur, agents={"coder": {"runtime": "command", "argv": ["/no/such/program"]}})
    text = "fail  agent coder     program `/no/such/program` doesn't exist or can't be executed\n"
    assert text in abathur("doctor").out


def test_a_branch_that_nothing_lands_on_is_told(abathur: "Abathur") -> None:
    configure(abathur, targets={"main": {"allow": False}})
    assert "warn  target          target `main` is protected" in abathur.ok("doctor")


def test_a_version_is_asked_for_with_a_time_out(
    abathur: "Abathur", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abathur.infrastructure.diagnosis.VERSION_SECONDS", 0.3)
    scripts = {
        "quick": "echo 'Claude 2.3.4 (x)'",
        "slow": "sleep 60",
        "old": "echo '1.9.330 (Claude Code)'",
        "stub": "echo 'Error: native binary not installed' >&2; exit 1",
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    agents = {name: {"runtime": "claude", "program": str(tmp_path / name)} for name in scripts}
    configure(abathur, agents=agents)
    out = abathur.ok("doctor")
    assert f"claude: {tmp_path}/quick 2.3.4 (tested with 2.1.330)\n" in out
    assert f"claude: {tmp_path}/slow (tested with 2.1.330)\n" in out
    old = f"warn  agent old       claude: `{tmp_path}/old` 1.9.330 is older than 2.1.330, which was"
    assert old in out
    assert f"warn  agent stub      claude: `{tmp_path}/stub --version` tells no version\n" in out


def test_of_a_program_of_ours_the_one_behind_it_has_to_be_there(
    abathur: "Abathur", tmp_path: Path
) -> None:
    agents = {"guest": {"runtime": "acp", "argv": [f"{tmp_path}/guest", "--acp"]}}
    configure(abathur, agents=agents)
    assert f"program `{tmp_path}/guest` doesn't exist" in abathur("doctor").out
    program = tmp_path / "guest"
    program.write_text("#!/bin/sh\necho 1.0 was run\n")
    program.chmod(0o755)
    assert f"acp: {program}\n" in abathur.ok("doctor")


def test_a_program_of_the_project_is_not_started(abathur: "Abathur", tmp_path: Path) -> None:
    program = tmp_path / "deploy"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    configure(abathur, agents={"deployer": {"runtime": "command", "argv": [str(program)]}})
    assert f"command: {program}\n" in abathur.ok("doctor")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("argv", [["sh", "{input.script}"], ["{input.tool}"], ["/x/{input.tool}"]])
def test_what_only_a_task_can_tell_is_no_fault(abathur: "Abathur", argv: list[str]) -> None:
    configure(abathur, agents={"runner": {"runtime": "command", "argv": argv}})
    assert f"ok    agent runner    command: {argv[0]}\n" in abathur.ok("doctor")


def test_a_broken_configuration(abathur: "Abathur") -> None:
    (abathur.root / ".abathur" / "config.yaml").write_text("swarm: {max_agents: many}\n")
    result = abathur("doctor")
    assert result.code == 1
    assert "fail  configuration" in result.out


def test_targets_that_work_waits_for(abathur: "Abathur") -> None:
    abathur.git("branch", "feature/x")
    abathur.ok("task", "submit", "Work", "--target", "feature/x")
    abathur.git("branch", "-D", "feature/x")
    lines = abathur.ok("doctor").splitlines()
    assert (
        "warn  target          target branch `feature/x` doesn't exist, so work for it waits"
        in lines
    )
    assert "-> make it with `git branch feature/x`, then it goes on by itself" in "".join(lines)


def test_a_dirty_target(abathur: "Abathur") -> None:
    (abathur.root / "README.md").write_text("changed")
    assert "warn  target" in abathur.ok("doctor")


def test_a_folder_that_nobody_works_in(abathur: "Abathur") -> None:
    folder = abathur.root / ".abathur" / "worktrees" / "left-over"
    folder.mkdir(parents=True)
    out = abathur.ok("doctor")
    assert f"warn  worktrees       no task works in {folder}" in out


def test_a_sparse_checkout_that_would_take_the_queue_along_is_told_before_and_after(
    abathur: "Abathur",
) -> None:
    abathur.git("sparse-checkout", "set", "--cone", "src")
    abathur.git("add", "--sparse", "-f", ".abathur/config.yaml", ".abathur/.gitignore")
    abathur.git("commit", "-qm", "Settings")
    found = abathur("doctor")
    assert "the sparse checkout leaves `.abathur` out, so git removes it" in found.out
    assert "git sparse-checkout add .abathur" in found.out
    assert (
        "the sparse checkout leaves `.abathur` out" in abathur("swarm", "start", "--until-idle").out
    )
    abathur.git("sparse-checkout", "reapply")
    gone = abathur("task", "list")
    assert gone.code == 3
    assert f"the sparse checkout of {abathur.root} leaves `.abathur` out" in gone.line
    abathur.git("sparse-checkout", "add", ".abathur")
    assert abathur("task", "list").code == 0


def test_no_database(abathur: "Abathur") -> None:
    for file in (abathur.root / ".abathur").glob("abathur.db*"):
        file.unlink()
    result = abathur("doctor")
    assert (result.code, "there is no database" in result.out) == (1, True)
    assert "-> `abathur init` makes one" in result.out
    abathur.ok("init")
    assert "ok    database" in abathur.ok("doctor")


@pytest.mark.parametrize("way", ["restore", "begin anew"])
def test_a_database_that_is_gone_is_told_with_what_really_helps(
    abathur: "Abathur", tmp_path: Path, way: str
) -> None:
    abathur.submit("Kept")
    backup = tmp_path / "backup.db"
    abathur.ok("db", "backup", str(backup))
    file = abathur.root / ".abathur" / "abathur.db"
    file.unlink()
    result = abathur("doctor")
    assert (result.code, f"`{file}` is gone, though there was a queue" in result.out) == (1, True)
    assert "-> put a backup back with `abathur db restore BACKUP`, or remove" in result.out
    assert abathur("db", "check").code == 6
    if way == "restore":
        abathur.ok("db", "restore", str(backup), "--yes")
    else:
        file.with_name("abathur.db.lock").unlink()
        abathur.ok("init")
    assert "ok    database" in abathur.ok("doctor")
    assert len(abathur("task", "list", "--json").json) == (1 if way == "restore" else 0)


def test_a_file_that_is_no_database(abathur: "Abathur") -> None:
    for file in (abathur.root / ".abathur").glob("abathur.db*"):
        file.unlink()
    (abathur.root / ".abathur" / "abathur.db").write_bytes(b"nonsense " * 1000)
    result = abathur("doctor")
    assert (result.code, "fail  database" in result.out) == (1, True)
    assert "-> move it away, or name another file with --db\n" in result.out


def test_a_worker_that_died_with_a_task(abathur: "Abathur") -> None:
    abathur.script("Hang", {"hang": True})
    swarm = abathur.popen("swarm", "start", stdout=subprocess.PIPE)
    assert swarm.stdout is not None
    while b"agent started" not in swarm.stdout.readline():
        pass
    swarm.kill()
    swarm.communicate()
    out = abathur.ok("doctor")
    assert f"(process {swarm.pid}) is gone and holds 1 task\n" in out
    assert "warn  worktrees" not in out


def test_outside_of_a_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--project", str(tmp_path), "doctor"]) == 1
    out = capsys.readouterr().out
    assert "fail  repository" in out
    assert "fail  project" in out
    assert "-> run `abathur init`" in out
