"""Agent types at the command line."""

from pathlib import Path

import pytest

from tests.cli.conftest import Abathur, configure


def put(abathur: Abathur, name: str, text: str) -> None:
    file = abathur.root / ".abathur" / "agents" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def test_a_new_definition_is_found_whole_and_without_a_mistake(abathur: Abathur) -> None:
    path = abathur.ok("agent", "new", "smith", "--description", 'For: "iron"', "--model", "fast")
    assert path == ".abathur/agents/smith.md"
    assert abathur.ok("agent", "check") == "nothing is wrong"
    head, row = abathur.ok("agent", "list").splitlines()
    assert head.split() == ["AGENT", "TYPE", "RUNTIME", "MODEL", "VERSION", "DESCRIPTION"]
    assert row.startswith("smith")
    assert row.endswith('For: "iron"')
    assert "task_report" in abathur.ok("agent", "show", "smith")


def test_a_definition_is_never_overwritten(abathur: Abathur) -> None:
    abathur.ok("agent", "new", "smith")
    refused = abathur("agent", "new", "smith")
    assert refused.code == 4
    assert ".abathur/agents/smith.md is there already" in refused.line


@pytest.mark.parametrize("name", ["../smith", "a/b", "-x", "", ".hidden", "a\nb"])
def test_no_name_leads_out_of_the_folder(abathur: Abathur, name: str) -> None:
    before = sorted(Path(abathur.root).rglob("*.md"))
    assert abathur("agent", "new", "--", name).code == 2
    assert sorted(Path(abathur.root).rglob("*.md")) == before


def test_mistakes_are_told_by_file_line_and_key(abathur: Abathur) -> None:
    put(abathur, "a.md", "---\nname: a\ntimeout: soon\n---\nYou work.\n")
    put(abathur, "b.md", "---\nname: b\nruntime: robot\nmcp_server: [x]\n---\nYou work.\n")
    put(abathur, "c.md", "---\nname: c\nmcp_servers: [tracker]\n---\n")
    found = abathur("agent", "check")
    assert found.code == 1
    lines = found.out.splitlines()
    assert lines[0].startswith(".abathur/agents/a.md:3: timeout: a duration from 1s to 30d")
    assert lines[1:] == [
        ".abathur/agents/b.md:4: mcp_server: there is no such key; did you mean `mcp_servers`?",
        ".abathur/agents/b.md:3: runtime: `robot` doesn't exist; the known ones are: "
        + lines[2].partition("are: ")[2],
        ".abathur/agents/c.md:3: mcp_servers: `tracker` isn't in .mcp.json; add it there",
        ".abathur/agents/c.md:1: system_prompt: it is empty; write what the agent is to do",
    ]
    assert abathur("agent", "check", "c").out.splitlines() == lines[3:]


def test_agent_types_of_the_configuration_are_checked_too(abathur: Abathur) -> None:
    agents = {"free": {"model": "auto"}, "odd": {"runtime": "robot"}, "sound": {"model": "fast"}}
    configure(abathur, agents=agents)
    put(abathur, "a.md", "---\nname: a\nmodel: auto\n---\nYou work.\n")
    told = "model: auto needs `models`, a list to choose from"
    lines = abathur("agent", "check").out.splitlines()
    assert lines[:2] == [f".abathur/agents/a.md:3: {told}", f"configuration, agents.free: {told}"]
    assert lines[2].startswith("configuration, agents.odd: runtime: `robot` doesn't exist")
    assert len(lines) == 3


def test_a_template_that_is_none_is_a_mistake_too(abathur: Abathur) -> None:
    folder = abathur.root / ".abathur" / "templates"
    folder.mkdir()
    (folder / "rules.md.j2").write_text("fine\n{% if %}\n")
    found = abathur("agent", "check")
    assert found.code == 1
    assert found.out.startswith(".abathur/templates/rules.md.j2:2: ")


def test_an_agent_type_that_is_not_there_is_told_with_those_that_are(abathur: Abathur) -> None:
    put(abathur, "a.md", "---\nname: a\n---\nYou work.\n")
    missing = abathur("agent", "show", "b")
    assert missing.code == 3
    assert "there are: a" in missing.line
    put(abathur, "b.md", "---\nname: b\neffort: [1]\n---\n")
    broken = abathur("agent", "show", "b")
    assert broken.code == 2
    assert ".abathur/agents/b.md:3: effort: a text is expected" in broken.line


def test_tasks_touch_what_their_agent_type_touches_unless_they_say_it(abathur: Abathur) -> None:
    put(abathur, "writer.md", "---\nname: writer\ntouches: docs/\n---\nYou write.\n")
    silent = abathur.ok("task", "submit", "Write", "--agent-type", "writer")
    other = abathur.ok("task", "submit", "W", "--agent-type", "writer", "--touches", "README.md")
    plan = abathur.root / "plan.yaml"
    plan.write_text("plan: p\ntasks: {a: {prompt: Write, agent_type: writer}}")
    for _ in range(2):
        planned = abathur("plan", "apply", str(plan), "--json").json["tasks"][0]["task"]["id"]
    tasks = (silent, other, planned)
    found = [abathur("task", "show", one, "--json").json["touches"] for one in tasks]
    assert found == [["docs"], ["README.md"], ["docs"]]
