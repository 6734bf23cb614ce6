"""What each runtime does with a wish of an agent type: found out by asking it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import Command, McpServer, RunSpec
from abathur.infrastructure.runtimes import load_runtime
from abathur.infrastructure.runtimes.support import SUPPORT
from abathur.swarm.meter import COUNTING_TURNS
from generating.text import code, table

NAMES: Final = (
    *("claude", "codex", "gemini", "agy", "opencode", "aider", "acp"),
    *("anthropic", "openai", "command", "fake"),
)
TELLING_NO_COST: Final = frozenset({"agy", "codex", "gemini"})
"""Only tokens, as `tests/fixtures/transcripts` show."""
WISHES: Final[dict[str, dict[str, Any]]] = {
    "`model`": {"model": "another-model"},
    "`effort`": {"effort": "high"},
    "system prompt": {"system_prompt": "Be brief."},
    "`tools`: reading only": {"tools": ("Read",)},
    "`denied_tools`: `Bash`": {"denied_tools": ("Bash",)},
    "`denied_tools`: `Read`": {"denied_tools": ("Read",)},
    "MCP servers": {"mcp_servers": (McpServer(name="queue", command=("serve",)),)},
    "`max_turns`": {"max_turns": 7},
    "limit of cost": {"budget_usd": 0.5},
    "`add_dirs`": {"add_dirs": (Path("/lib"),)},
    "result schema": {
        "output_schema": {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": False,
        }
    },
    "a session to go on with": {"resume": "11111111-1111-4111-8111-111111111111"},
}


def runtime_matrix() -> str:
    rows = [
        [wish, *(_answer(name, wish, facts) for name in NAMES)] for wish, facts in WISHES.items()
    ]
    versions = [SUPPORT[name].version if name in SUPPORT else "" for name in NAMES]
    real = [SUPPORT[name].tested if name in SUPPORT else "yes" for name in NAMES]
    return "\n\n".join(
        [
            "# What runtimes can be asked for",
            "Each runtime was asked how it would start its program, with the wish and without."
            " **yes**: the program is told. **swarm**: the program isn't told, and the swarm ends a"
            " run that goes beyond it, as far as the program tells what it does. **refused**: an"
            " error before the start, for the wish restricts and can't be honoured. **no**: it"
            " changes nothing; aider has no shell to be denied, and `command` and `fake` run what"
            " they are given. The prompt of any length, the vocabulary of events, spoilt lines,"
            " missing ends, stopping, and that nothing is left behind are the same for all: see"
            " `tests/conformance/test_runtime.py`. The settings are in [runtimes](runtimes.md).",
            table(
                ["", *map(code, NAMES)],
                [["known version", *versions], ["run for real in the tests", *real], *rows],
            ),
        ]
    )


def _answer(name: str, wish: str, facts: dict[str, Any]) -> str:
    try:
        plain, asked = _command(name), _command(name, **facts)
    except AgentUnavailableError:
        return "refused"
    if plain != asked:
        return "yes"
    counts = wish == "`max_turns`" and name not in COUNTING_TURNS
    spends = wish == "limit of cost" and name not in TELLING_NO_COST
    return "swarm" if counts or spends else "no"


def _command(name: str, **facts: Any) -> Command:
    settings = {
        "program": sys.executable,
        "argv": [sys.executable],
        "model": "m",
        "base_url": "http://127.0.0.1:1",
    }
    spec = RunSpec(
        task_id="t",
        attempt=1,
        agent_type="general",
        prompt="p",
        worktree=Path("/w"),
        scratch=Path("/s"),
        home=Path("/h"),
        session_id="00000000-0000-4000-8000-000000000000",
        settings=settings,
    )
    return load_runtime(name).command(replace(spec, **facts))
