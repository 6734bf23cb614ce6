"""Agent definition files as people write them."""

from pathlib import Path

import pytest

from abathur.domain.specs import AgentDefinition
from abathur.infrastructure import folder_state
from abathur.infrastructure.definitions import Definitions, read_definitions


def put(project: Path, name: str, text: str) -> Path:
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def only(project: Path, front: str, body: str = "You are.") -> AgentDefinition:
    put(project, ".claude/agents/a.md", f"---\n{front}\n---\n{body}\n")
    found = read_definitions(project)
    assert found.problems == ()
    (made,) = found.by_name.values()
    return made


def problem(project: Path) -> str:
    (told,) = read_definitions(project).problems
    assert "\n" not in told
    return told


def test_a_project_without_definitions(tmp_path: Path) -> None:
    assert read_definitions(tmp_path) == Definitions({})


def test_a_definition_as_claude_code_has_it(tmp_path: Path) -> None:
    made = only(
        tmp_path,
        "name: reviewer\ndescription: Reads\nmodel: opus\ntools: Read, Bash(git log *, git diff)\n"
        "color: red\nmcp_servers: [memory]",
        "You review.\n\n---\nMore.",
    )
    assert made == AgentDefinition(
        name="reviewer",
        description="Reads",
        model="opus",
        tools=("Read", "Bash(git log *, git diff)"),
        system_prompt="You review.\n\n---\nMore.",
        extras={"mcp_servers": ["memory"]},
        source=tmp_path / ".claude" / "agents" / "a.md",
        version=made.version,
    )


def test_our_own_keys(tmp_path: Path) -> None:
    made = only(
        tmp_path, "runtime: command\nargv: [x]\nsettings:\n  argv: [y]\n  env: {A: 1}\nprompt: none"
    )
    assert made.name == "a"
    assert made.runtime == "command"
    assert made.extras == {"argv": ["y"], "env": {"A": 1}, "prompt": "none"}


@pytest.mark.parametrize(
    "front",
    [
        "tools: Read, Edit",
        "tools: [Read, Edit]",
        "tools:\n  - Read\n  - Edit",
        "tools:\n- Read\n- Edit",
        "description: Use: now\ntools: [Read, 'Edit']",
        'description: Use: now\ntools:\n  - Read\n  - "Edit"',
        "description: Use: now\ntools: Read,Edit, Read",
    ],
)
def test_the_ways_to_write_tools(tmp_path: Path, front: str) -> None:
    assert only(tmp_path, front).tools == ("Read", "Edit")


@pytest.mark.parametrize(
    ("front", "description"),
    [
        ("description: Use this: always. Examples: a, b", "Use this: always. Examples: a, b"),
        ("description: 'quoted: text'", "quoted: text"),
        (
            "description: Use: this\n  <example>\n  user: hi\n  </example>",
            "Use: this <example> user: hi </example>",
        ),
        ("description: |\n  Two\n  lines: yes", "Two lines: yes"),
        ("description: >\n  bad: %\n nope: x\n  lines", "bad: % nope: x lines"),
        ("description: @at is: not YAML", "@at is: not YAML"),
        ("description:", ""),
        ("# a comment\n\ndescription: Use: it", "Use: it"),
    ],
)
def test_descriptions_that_yaml_refuses_are_read_line_by_line(
    tmp_path: Path, front: str, description: str
) -> None:
    made = only(tmp_path, f"name: x\n{front}\nmodel: opus")
    assert made.description == description
    assert made.name == "x"
    assert made.model == "opus"


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    put(tmp_path, ".claude/agents/a.md", "\ufeff---\r\nname: x\r\n---\r\nHi\r\n")
    assert read_definitions(tmp_path).by_name["x"].system_prompt == "Hi"


def test_files_without_front_matter_are_no_definitions(tmp_path: Path) -> None:
    put(tmp_path, ".claude/agents/README.md", "# Agents\n")
    put(tmp_path, ".claude/agents/empty.md", "")
    put(tmp_path, ".claude/agents/notes.txt", "---\nname: x\n---\n")
    assert read_definitions(tmp_path) == Definitions({})


def test_folders_below_are_read_and_our_own_folder_wins(tmp_path: Path) -> None:
    put(tmp_path, ".claude/agents/team/a.md", "---\nname: a\nmodel: opus\n---\n")
    put(tmp_path, ".claude/agents/team/b.md", "---\nname: b\n---\n")
    put(tmp_path, ".abathur/agents/a.md", "---\nname: a\nmodel: haiku\n---\n")
    found = read_definitions(tmp_path)
    assert found.problems == ()
    assert sorted(found.by_name) == ["a", "b"]
    assert found.by_name["a"].model == "haiku"


def test_a_name_given_twice_is_told_and_the_first_one_used(tmp_path: Path) -> None:
    put(tmp_path, ".claude/agents/1.md", "---\nname: a\nmodel: opus\n---\n")
    put(tmp_path, ".claude/agents/2.md", "---\nname: a\nmodel: haiku\n---\n")
    told = problem(tmp_path)
    assert told.startswith(".claude/agents/2.md:2: name: agent type `a` is defined in ")
    assert " .claude/agents/1.md already" in told
    assert read_definitions(tmp_path).by_name["a"].model == "opus"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("---\nname: x\n", "a.md:1: the front matter has no end; close it with a line `---`"),
        (
            "---\nmodel: x\nname: two words\n---\n",
            "a.md:3: name: `two words` can't be an agent type",
        ),
        ("---\nname: ../x\n---\n", "a.md:2: name: `../x` can't be an agent type"),
        ("---\nname: x\ntools: {a: 1}\n---\n", "a.md:3: tools: a list of names is expected"),
        ("---\nname: x\n\nmodel: [a]\n---\n", "a.md:4: model: a text is expected, not ['a']"),
        ("---\nsettings: 3\n---\n", "a.md:2: settings: a section of keys is expected"),
        ("---\n- a\n---\n", "a.md:2: front matter: a section with keys of its own is expected"),
        ("---\nname: x\n}{\n---\n", "a.md:3: not valid YAML"),
        ("---\nname: x\ntools: Read\ntools: Edit\n---\n", "a.md:4: `tools` stands here twice"),
    ],
)
def test_a_bad_file_is_told_and_keeps_no_other_out(tmp_path: Path, text: str, told: str) -> None:
    put(tmp_path, ".claude/agents/a.md", text)
    put(tmp_path, ".claude/agents/b.md", "---\nname: b\n---\n")
    assert told in problem(tmp_path)
    assert problem(tmp_path).startswith(".claude/agents/")
    assert list(read_definitions(tmp_path).by_name) == ["b"]


def test_files_that_are_no_text_or_too_long_are_told(tmp_path: Path) -> None:
    put(tmp_path, ".claude/agents/a.md", "---\nname: a\n---\n").write_bytes(b"---\nname: \xff")
    assert "isn't UTF-8 text" in problem(tmp_path)
    put(tmp_path, ".claude/agents/a.md", "x" * 1_000_001)
    assert "over 1000000 bytes long" in problem(tmp_path)


def test_links_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    outside = put(tmp_path, "secret/x.md", "---\nname: x\n---\n")
    inside = put(tmp_path, ".claude/agents/shared/y.md", "---\nname: y\n---\n")
    folder = tmp_path / ".claude" / "agents"
    (folder / "x.md").symlink_to(outside)
    (folder / "more").symlink_to(outside.parent)
    (folder / "circle").symlink_to(folder)
    (folder / "broken.md").symlink_to(tmp_path / "nowhere.md")
    assert list(read_definitions(tmp_path).by_name) == ["y"]
    assert inside.exists()


def test_the_version_is_that_of_the_text_whatever_ends_its_lines(tmp_path: Path) -> None:
    unix = only(tmp_path, "name: a", "One.")
    windows = only(tmp_path, "name: a", "One.").version
    file = tmp_path / ".claude" / "agents" / "a.md"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    (crlf,) = read_definitions(tmp_path).by_name.values()
    assert unix.version is not None
    assert (crlf.version, windows) == (unix.version, unix.version)
    assert only(tmp_path, "name: a", "Two.").version != unix.version


def test_our_keys_are_read_to_what_they_mean(tmp_path: Path) -> None:
    made = only(
        tmp_path,
        "name: a\neffort: high\ndisallowedTools: WebFetch, Task\nmaxTurns: 7\n"
        "limits: {timeout: 30m, budget: 2}\ntouches: docs/\nverify: make lint\n"
        "mcpServers: [abathur-memory]\nsandbox: {network: off}\nhooks: {Stop: []}",
    )
    assert made.extras == {
        "effort": "high",
        "denied_tools": ["WebFetch", "Task"],
        "max_turns": 7,
        "timeout": 1800,
        "budget": 2.0,
        "touches": ["docs"],
        "verify": "make lint",
        "mcp_servers": ["abathur-memory"],
        "sandbox": {"network": False},
        "hooks": {"Stop": []},
    }


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("timeout: soon", "a.md:3: timeout: a duration from 1s to 30d is expected"),
        ("limits: 5", "a.md:3: limits: a section of timeout, max_turns, budget"),
        ("limits: {tokens: 5}", "a.md:3: limits: `tokens` isn't known; possible are timeout"),
        ("model: --yolo", "a.md:3: model: a name is expected, not '--yolo'"),
        ("effort: --yolo", "a.md:3: effort: a name is expected, not '--yolo'"),
        ("limits: {budget: lots}", "a.md:3: limits: budget: dollars are expected"),
        ("maxTurns: 0", "a.md:3: maxTurns: a whole number above zero"),
        ("touches: ../secret", "a.md:3: touches: `../secret` leaves the repository"),
        ("mcp_servers: ['../x']", "a.md:3: mcp_servers: `../x` is no name"),
        ("sandbox: {writable: [/]}", "a.md:3: sandbox: only the configuration can open"),
        ("result_schema: ../../../s.json", "a.md:3: result_schema: `../../../s.json` leads out"),
        ("result_schema: gone.json", "a.md:3: result_schema: there is no file `gone.json`"),
        ("mcp_servers: {x: 3}", "a.md:3: mcp_servers: x: a section with `command` or `url`"),
        ("mcp_servers: [{x: {command: 5}}]", "a.md:3: mcp_servers: x: a section with"),
        ("result_schema: {type: 5}", "a.md:3: result_schema: it is no usable JSON schema"),
        (
            "result_schema: {properties: {a: {$ref: 'http://127.0.0.1:9/x'}}}",
            "a.md:3: result_schema: `$ref: http://127.0.0.1:9/x` leads out",
        ),
    ],
)
def test_a_bad_value_names_file_line_and_key(tmp_path: Path, line: str, told: str) -> None:
    put(tmp_path, ".claude/agents/a.md", f"---\nname: a\n{line}\n---\n")
    assert told in problem(tmp_path)


def test_a_schema_beside_the_definition_is_part_of_its_version(tmp_path: Path) -> None:
    put(tmp_path, ".claude/agents/plan.json", '{"required": ["deliverables"]}')
    first = only(tmp_path, "name: a\nresult_schema: plan.json")
    assert first.extras["result_schema"] == {"required": ["deliverables"]}
    put(tmp_path, ".claude/agents/plan.json", '{"required": ["execution_status"]}')
    assert only(tmp_path, "name: a\nresult_schema: plan.json").version != first.version
    put(tmp_path, ".claude/agents/plan.json", "{")
    assert "plan.json isn't JSON" in problem(tmp_path)


def test_yaml_definitions_of_the_older_version_are_read(tmp_path: Path) -> None:
    text = (
        "name: planner\nspecialization: plans\nmodel: thinking\nsystem_prompt: |\n  You plan.\n"
        "tools: [Read, Write]\nresource_limits: {max_tokens: 8000, temperature: 0.7}\n"
    )
    put(tmp_path, ".claude/agents/abathur/planner.yaml", text)
    put(tmp_path, ".claude/agents/workflow.yml", "jobs: {}\n")
    found = read_definitions(tmp_path)
    made = found.by_name["planner"]
    assert found.problems == ()
    assert list(found.by_name) == ["planner"]
    assert (made.description, made.system_prompt, made.tools, made.extras) == (
        "plans",
        "You plan.",
        ("Read", "Write"),
        {},
    )


def test_a_bad_yaml_definition_names_its_line(tmp_path: Path) -> None:
    put(tmp_path, ".claude/agents/p.yaml", "name: p\nmodel: opus\neffort: [1]\n")
    assert problem(tmp_path).startswith(".claude/agents/p.yaml:3: effort: a text is expected")


def test_definitions_are_read_again_only_when_a_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_state, "YOUNG_NS", 0)
    put(tmp_path, ".claude/agents/deep/a.md", "---\nname: a\n---\nYou are.\n")
    first = read_definitions(tmp_path)
    assert read_definitions(tmp_path) is first
    put(tmp_path, ".claude/agents/deep/a.md", "---\nname: other\n---\nYou are.\n")
    assert read_definitions(tmp_path).by_name.keys() == {"other"}
    put(tmp_path, ".abathur/agents/b.md", "---\nname: b\n---\nYou are.\n")
    assert read_definitions(tmp_path).by_name.keys() == {"other", "b"}


def test_a_change_right_after_reading_is_seen_even_where_it_leaves_no_sign(tmp_path: Path) -> None:
    put(tmp_path, ".claude/agents/a.md", "---\nname: a\n---\n")
    assert read_definitions(tmp_path).by_name.keys() == {"a"}
    put(tmp_path, ".claude/agents/a.md", "---\nname: b\n---\n")  # as long, in the same tick
    assert read_definitions(tmp_path).by_name.keys() == {"b"}
