"""The files of clients keep what others have written, and are never left broken."""

import json
import tomllib
from pathlib import Path

import pytest

from abathur.domain.errors import ConfigError
from abathur.infrastructure.client_files import edit, save
from abathur.ports.clients import Edit


@pytest.fixture
def codex(tmp_path: Path) -> Path:
    file = tmp_path / "ö" / ".codex" / "config.toml"
    file.parent.mkdir(parents=True)
    return file


def codex_edit(codex: Path, text: str) -> Edit:
    codex.write_bytes(text.encode())
    return edit("codex", codex.parent.parent, None)


def test_what_a_person_has_set_for_our_server_stays(tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    there = {"command": "old", "env": {"A": "1"}, "timeout": 60}
    file.write_text(json.dumps({"mcpServers": {"abathur": there}}, indent=2))
    save(edit("claude", tmp_path, "tasks"))
    now = json.loads(file.read_text())["mcpServers"]["abathur"]
    assert now["args"][-2:] == ["--only", "tasks"]
    assert {**now, "command": "old"} == {**there, "args": now["args"]}
    assert not edit("claude", tmp_path, "tasks").changes


def test_an_entry_that_is_an_address_becomes_a_program(tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    file.write_text('{"mcpServers": {"abathur": {"type": "http", "url": "http://x"}}}')
    save(edit("claude", tmp_path, None))
    assert json.loads(file.read_text())["mcpServers"]["abathur"].keys() == {"command", "args"}


CODEX = """# mine
model = "o" # of theirs

[mcp_servers.abathur] # ours
startup_timeout_sec = 60 # slow
command = "old"
args = [
  # in lines
  "a",
]

[mcp_servers.abathur.env]
X = "1"
"""


def test_in_toml_only_our_two_lines_change(codex: Path) -> None:
    change = codex_edit(codex, CODEX)
    kept = [line for line in change.after.splitlines() if not line.startswith(("command", "args"))]
    gone = ("command", "args", "  # in lines", '  "a"', "]")
    assert kept == [line for line in CODEX.splitlines() if not line.startswith(gone)]
    (server,) = tomllib.loads(change.after)["mcp_servers"].values()
    assert server["args"][-2:] == ["mcp", "serve"]
    assert server["startup_timeout_sec"] == 60
    assert not codex_edit(codex, change.after).changes


@pytest.mark.parametrize(
    "text",
    ["", 'model = "o"', "[mcp_servers]\nx = { command = 'a' }\n", "mcp_servers.x.command = 'a'\n"],
)
def test_in_toml_what_is_there_says_the_same_after(codex: Path, text: str) -> None:
    change = codex_edit(codex, text)
    now = tomllib.loads(change.after)
    assert change.after.startswith(text)
    del now["mcp_servers"]["abathur"]
    before = tomllib.loads(text)
    assert now == {**before, "mcp_servers": before.get("mcp_servers", {})}


@pytest.mark.parametrize(
    "text",
    [
        "broken = = 1\n",
        "mcp_servers = { abathur = { command = 'x' } }\n",
        "mcp_servers = { y = { command = 'x' } }\n",
        "mcp_servers.abathur.command = 'x'\n",
        "mcp_servers = 1\n",
        "[mcp_servers.abathur]\nurl = 'http://x'\n",
    ],
)
def test_toml_that_would_be_broken_by_it_is_left_alone(codex: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"by hand, as table `mcp_servers\.abathur`: command = "):
        codex_edit(codex, text)
    assert codex.read_text() == text


def test_a_quoted_name_is_the_same_table(codex: Path) -> None:
    change = codex_edit(codex, '[mcp_servers."abathur"]\ncommand = "a"\n')
    assert change.after.startswith('[mcp_servers."abathur"]\n')
    assert len(tomllib.loads(change.after)["mcp_servers"]) == 1


@pytest.mark.parametrize("text", ['{\r\n  "a": 1\r\n}\r\n', '{"a": 1}\r\n'])
def test_ends_of_lines_stay_what_they_are(tmp_path: Path, text: str) -> None:
    file = tmp_path / ".mcp.json"
    file.write_bytes(text.encode())
    save(edit("claude", tmp_path, None))
    now = file.read_bytes()
    assert now.count(b"\n") == now.count(b"\r\n") >= 1


def test_a_file_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ConfigError, match="isn't UTF-8"):
        edit("claude", tmp_path, None)


def test_a_file_behind_a_link_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / ".mcp.json").symlink_to("real.json")
    save(edit("claude", tmp_path, None))
    assert (tmp_path / ".mcp.json").is_symlink()
    assert "abathur" in (tmp_path / "real.json").read_text()
