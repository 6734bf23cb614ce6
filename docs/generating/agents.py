"""Definitions of agents, and the agent that follows a script."""

from __future__ import annotations

from abathur.domain import definition_keys
from abathur.domain.model_names import ALIASES, OTHERWISE
from abathur.infrastructure.runtimes import fake_agent
from generating.text import code, table


def agent_definitions() -> str:
    keys = [
        [code(key.name), ", ".join(map(code, key.aliases)), code(key.sample), key.help]
        for key in definition_keys.KEYS
    ]
    runtimes = sorted({name for row in ALIASES.values() for name in row} - {OTHERWISE})
    models = [
        [code(alias), *(code(row[name]) if row.get(name) else "" for name in runtimes)]
        for alias, row in ALIASES.items()
    ]
    return "\n\n".join(
        [
            "# Agent definitions",
            "Files below `.claude/agents` and `.abathur/agents`, the latter winning: Markdown with"
            " YAML between two lines `---`, whose text is the system prompt, or YAML with the key"
            " `system_prompt`. See [define agents](../how-to/define-agents.md).",
            "## Keys",
            "`name` (else the file's name), `description`, `runtime`, `model`, `tools` (a list, or"
            " one text with commas; empty leaves it to the runtime), and:",
            table(["Key", "Also", "For example", "What it does"], keys),
            "`timeout`, `max_turns` and `budget` may also stand in a section `limits`. Every other"
            " key, and what stands under `settings`, goes to the runtime as it is; `color` and the"
            " older version's `resource_limits` are read over. The same keys under `agents.TYPE` in"
            " the [configuration](configuration.md) win over the file.",
            "## Names of models",
            "A model that isn't in this table is handed on as it stands. An empty cell leaves the"
            " choice to the runtime's program; runtimes that aren't named get `haiku`, `sonnet` and"
            " `opus` as they are. `models:` in the configuration adds to it and wins.",
            table(["Model", *runtimes], models),
        ]
    )


def scripted_agent() -> str:
    told = fake_agent.__doc__ or ""
    block = [line.removeprefix("    ") for line in told.splitlines() if line.startswith("    ")]
    unexplained = [step for step in fake_agent.STEPS if f"{step}:" not in " ".join(block)]
    mentioned = "also `append`" in " ".join(block)
    assert unexplained == ["append"]
    assert mentioned
    return "\n\n".join(
        [
            "# The fake agent",
            "The runtime `fake` runs an agent that follows a script, for trying things out and for"
            " tests. It costs nothing and needs no network.",
            "The script stands in a task's input data under `script`, or under `script` in the"
            " settings of the agent type or of `runtimes.fake`. It is a list of steps, or a mapping"
            " from the number of the attempt (`default` or `*` for all others) to such lists."
            " Without a script the agent says the prompt and succeeds.",
            "```yaml\nplan: try-it\ntasks:\n  greet:\n    agent_type: scripted"
            "      # agents: {scripted: {runtime: fake}} in .abathur/config.yaml\n"
            "    prompt: Greet the world\n    input_data:\n      script:\n"
            '        1: [{fail: "not in the mood"}]\n'
            '        "*": [{write: {path: hello.txt, text: "hello\\n"}}]\n```',
            "Each step is a mapping with one key. Paths are inside the worktree. What isn't"
            " committed at the end is committed, as for every agent.",
            "```text\n" + "\n".join(block) + "\n```",
        ]
    )
