import os
from collections.abc import Sequence
from typing import Any

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(abathur: Any, shell: str) -> None:
    script = abathur.ok("completion", shell)
    assert f"_ABATHUR_COMPLETE={shell}_complete" in script


def test_an_unknown_shell(abathur: Any) -> None:
    assert abathur("completion", "cmd").code == 2


def complete(abathur: Any, *words: str, **env: str) -> list[str]:
    """What the shell is offered for the last word."""
    asked = {
        "_ABATHUR_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("abathur", *words)),
        "COMP_CWORD": str(len(words)),
    }
    result = abathur.process(env={**os.environ, **asked, **env})
    assert (result.code, result.err) == (0, "")
    return [line.partition(",")[2] for line in result.out.split()]


def test_task_ids_complete(abathur: Any, chain: Sequence[str]) -> None:
    offered = complete(abathur, "task", "show", chain[0][:4])
    assert offered == [task[:13] for task in reversed(chain)]


def test_options_that_take_ids_complete(abathur: Any, chain: Sequence[str]) -> None:
    assert complete(abathur, "task", "submit", "-p", chain[2][:13]) == [chain[2][:13]]


def test_outside_a_project_nothing_is_offered(abathur: Any, tmp_path: Any) -> None:
    assert complete(abathur, "--project", str(tmp_path), "why", "0") == []


def test_commands_complete(abathur: Any) -> None:
    assert complete(abathur, "task", "su") == ["submit"]
