import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur import bootstrap
from abathur.cli.main import call

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur


def init(folder: Path, *options: str) -> int:
    return call(["--project", str(folder), "init", *options])


def git(folder: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True)


def test_it_makes_a_project_and_says_what_is_next(
    git_repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(git_repo) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"set up a queue in {git_repo}\n")
    assert "abathur swarm start --until-idle" in out
    folder = git_repo / ".abathur"
    assert {path.name for path in folder.iterdir()} >= {".gitignore", "config.yaml", "abathur.db"}


def test_a_second_time_changes_nothing(abathur: "Abathur") -> None:
    config = abathur.root / ".abathur" / "config.yaml"
    text = "default_runtime: fake\ntargets: {main: {allow: true}}\n"
    config.write_text(text)
    abathur.submit()
    told = abathur.ok("init").splitlines()
    assert told[0].endswith("is set up already; nothing was changed")
    assert abathur("init", "--json").json == {
        "root": str(abathur.root),
        "created": [],
        "target": "main",
        "target_allowed": True,
        "unchanged": True,
        "template": None,
    }
    assert config.read_text() == text
    assert len(abathur("task", "list", "--json").json) == 1


def test_it_lets_work_land_where_it_was_made_and_says_so(
    git_repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(git_repo) == 0
    assert "finished work may land on `main`" in capsys.readouterr().out
    settings = bootstrap.load_project(git_repo).settings
    assert settings.is_allowed("main")
    assert not settings.is_allowed("release/1")


def test_without_that_setting_nothing_is_submitted_to_main(abathur: "Abathur") -> None:
    (abathur.root / ".abathur" / "config.yaml").write_text("default_runtime: fake\n")
    refused = abathur("task", "submit", "Write")
    assert refused.code == 4
    assert "`targets: {main: {allow: true}}` into .abathur/config.yaml" in refused.line
    assert "`main` is protected" in abathur.ok("init")


def test_git_sees_only_the_configuration_and_the_agents(abathur: "Abathur") -> None:
    agents = abathur.root / ".abathur" / "agents"
    agents.mkdir(exist_ok=True)
    (agents / "tester.md").write_text("x")
    (abathur.root / ".abathur" / "runs").mkdir(exist_ok=True)
    (abathur.root / ".abathur" / "runs" / "log").write_text("x")
    abathur.git("add", ".")
    assert abathur.git("diff", "--cached", "--name-only").split() == [
        ".abathur/.gitignore",
        ".abathur/agents/tester.md",
        ".abathur/config.yaml",
    ]


def test_outside_of_a_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path) == 5
    captured = capsys.readouterr()
    assert (captured.out, len(captured.err.splitlines())) == ("", 1)


def test_without_a_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(tmp_path, "init", "--quiet")
    assert init(tmp_path) == 5
    assert "has no commit yet; make one" in capsys.readouterr().err
    assert not (tmp_path / ".abathur").exists()


def test_in_a_worktree_it_sets_up_the_main_folder(
    git_repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    git(git_repo, "worktree", "add", "--quiet", str(other))
    (other / "below").mkdir()
    assert init(other / "below") == 0
    assert (git_repo / ".abathur" / "abathur.db").is_file()
    assert not (other / ".abathur").exists()
    assert capsys.readouterr().out.startswith(f"set up a queue in {git_repo}\n")


def test_a_file_in_the_way(git_repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (git_repo / ".abathur").write_text("")
    assert init(git_repo) == 6
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_linked_worktree_of_a_person_belongs_to_the_project_of_the_main_one(
    git_repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], is_committed: bool
) -> None:
    assert init(git_repo) == 0
    if is_committed:
        git(git_repo, "add", ".abathur")
        git(git_repo, "commit", "-q", "-m", "Settings")
    other = tmp_path / "other"
    git(git_repo, "worktree", "add", "--quiet", str(other))
    assert (other / ".abathur").is_dir() is is_committed
    (other / "below").mkdir()
    capsys.readouterr()
    assert call(["--project", str(other / "below"), "task", "submit", "Work"]) == 0
    assert call(["--project", str(git_repo), "task", "list"]) == 0
    assert "Work" in capsys.readouterr().out
