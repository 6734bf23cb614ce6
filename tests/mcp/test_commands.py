"""`abathur mcp install`, `list`, `status` and `logs`, as a person uses them."""

import json
import tomllib

import pytest

from abathur.bootstrap import Project
from abathur.cli.main import call


def run(project: Project, *args: str) -> int:
    return call(["--project", str(project.root), "mcp", *args])


@pytest.mark.parametrize(
    ("client", "file", "section"),
    [
        ("claude", ".mcp.json", "mcpServers"),
        ("gemini", ".gemini/settings.json", "mcpServers"),
        ("vscode", ".vscode/mcp.json", "servers"),
        ("cursor", ".cursor/mcp.json", "mcpServers"),
    ],
)
def test_the_entry_is_put_beside_what_is_there(
    project: Project, capsys: pytest.CaptureFixture[str], client: str, file: str, section: str
) -> None:
    path = project.root / file
    path.parent.mkdir(exist_ok=True)
    there = {"theme": "dark", section: {"other": {"command": "x"}}}
    path.write_text(json.dumps(there))
    assert run(project, "install", "--client", client, "--dry-run") == 0
    assert json.loads(path.read_text()) == there
    assert '"abathur": {' in capsys.readouterr().out
    assert run(project, "install", "--client", client) == 0
    now = json.loads(path.read_text())
    assert now[section]["abathur"]["args"][-2:] == ["mcp", "serve"]
    del now[section]["abathur"]
    assert now == there
    capsys.readouterr()
    assert run(project, "install", "--client", client) == 0
    told = capsys.readouterr()
    assert "names the server already" in told.err
    assert told.out == ""


def test_codex_keeps_its_comments_and_tables(project: Project) -> None:
    """In a file of the project's: that of the person has room for one project only."""
    file = project.root / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text(
        '# mine\nmodel = "x"\n\n[mcp_servers.abathur]\ncommand = "old"\n\n[tools]\na = 1\n'
    )
    assert run(project, "install", "--client", "codex") == 0
    text = file.read_text()
    assert text.startswith('# mine\nmodel = "x"\n')
    found = tomllib.loads(text)
    assert found["tools"] == {"a": 1}
    assert found["mcp_servers"]["abathur"]["args"][-2:] == ["mcp", "serve"]
    file.unlink()
    assert run(project, "install", "--client", "codex", "--only", "tasks") == 0
    assert tomllib.loads(file.read_text())["mcp_servers"]["abathur"]["args"][-1] == "tasks"


def test_a_file_that_is_no_json_is_left_alone(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project.root / ".mcp.json"
    file.write_text("{ mine }")
    assert run(project, "install") == 2
    assert "put this in by hand, under `mcpServers`" in capsys.readouterr().err
    assert file.read_text() == "{ mine }"


def test_an_editor_s_comments_and_commas_stay_where_they_are(project: Project) -> None:
    file = project.root / ".vscode" / "mcp.json"
    file.parent.mkdir()
    before = '{\n\t// mine\n\t"servers": {\n\t\t"x": {"command": "a//b"}, // of a friend\n\t},\n}\n'
    file.write_text(before)
    assert run(project, "install", "--client", "vscode") == 0
    after = file.read_text()
    begin = after.index('\n\t\t"abathur": {\n\t\t\t"type": "stdio"')
    end = after.index("\n\t},\n}\n", begin)
    assert after[:begin] + after[end:] == before


def test_an_agent_installs_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABATHUR_TASK_ID", "1")
    assert run(project, "install") == 4
    assert run(project, "token") == 4


def test_status_tells_which_server_is_missing(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(project, "list") == 0
    assert "no server runs here" in capsys.readouterr().err
    greets = 'read line; echo "starting"; echo \'{"jsonrpc": "2.0", "id": 1, "result": {}}\'; cat'
    named = {
        "here": {"command": "sh", "args": ["-c", greets]},
        "mute": {"command": "sh", "args": ["-c", "cat > /dev/null"]},
        "gone": {"command": "no-such-program-at-all"},
    }
    (project.root / ".mcp.json").write_text(json.dumps({"mcpServers": named}))
    assert run(project, "status") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in lines] == ["STATE", "answers", "silent", "missing"]


def test_a_program_of_a_clone_is_not_started_to_see_whether_it_answers(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ABATHUR_TRUST")
    named = {"here": {"command": "sh", "args": ["-c", "touch started"]}}
    (project.root / ".mcp.json").write_text(json.dumps({"mcpServers": named}))
    assert run(project, "status", "--json") == 0
    printed = capsys.readouterr()
    assert [one["state"] for one in json.loads(printed.out)] == ["found"]
    assert "abathur trust" in printed.err
    assert not (project.root / "started").exists()
