"""Which tools a model is told of, and which commands it may run."""

import pytest

from abathur.infrastructure.model_agent.permissions import Permissions


def test_without_rules_all_tools_are_there() -> None:
    for tools in ((), ("Read", "*")):
        permissions = Permissions(tools, ())
        assert permissions.has("Bash")
        assert permissions.has("mcp__queue__claim")
        assert permissions.refusal("Bash", {"command": "rm -rf x; ls"}) is None


def test_named_tools_are_all_there_are() -> None:
    permissions = Permissions(("Read", "mcp__queue"), ("mcp__queue__cancel",))
    assert [permissions.has(name) for name in ("Read", "Write", "mcp__queue__claim")] == [
        True,
        False,
        True,
    ]
    assert not permissions.has("mcp__queue__cancel")
    assert not permissions.has("mcp__queues__claim")


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("git log -3", True),
        ("git log", False),
        ("git log -3; rm x", False),
        ("git log -3 | sh", False),
        ("git log $(rm x)", False),
        ("git log -3 > x", False),
        ("git push", False),
        ("make test", True),
    ],
)
def test_a_rule_of_commands_is_for_one_command(command: str, allowed: bool) -> None:
    permissions = Permissions(("Bash(git log *)", "Bash(make:*)"), ())
    assert permissions.has("Bash")
    refused = permissions.refusal("Bash", {"command": command})
    assert (refused is None) is allowed


def test_what_is_denied_wins_and_what_a_person_allowed_is_added() -> None:
    permissions = Permissions(("Read",), ("Bash(rm *)",), ("Bash(ls [a]; pwd)",))
    assert permissions.refusal("Bash", {"command": "ls [a]; pwd"}) is None
    assert permissions.refusal("Bash", {"command": "ls"})
    denying = Permissions((), ("Bash(rm *)",))
    assert denying.refusal("Bash", {"command": "ls && rm -r x"})
    assert denying.refusal("Bash", {"command": "ls"}) is None
    assert not Permissions((), ("Bash",)).has("Bash")
