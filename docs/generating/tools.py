"""What the servers offer to agents and editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from abathur.mcp.catalogue import NAMES, PARTS
from abathur.mcp.tool import Tool
from generating.text import code, table


def mcp_tools() -> str:
    parts = [
        "# Tools of the servers",
        "What `abathur mcp serve` offers over the Model Context Protocol. An answer is JSON, the"
        " same as text and as structured content; a list stands under `result` in the latter. An"
        " error is an answer with `isError` and `{error, message, tool}`, whose message says what"
        " to do now. Parameters in bold must be given. A task's id may be shortened to a unique"
        " beginning. See [least power](../explanation/least-power.md) for what an agent may do with"
        " them, and [connect a client](../how-to/connect-a-client.md).",
    ]
    for part, tools in PARTS.items():
        parts.append(f"## Server {code(NAMES[part])}")
        parts += [text for tool in tools for text in _tool(tool)]
    return "\n\n".join(parts)


def _tool(tool: Tool) -> Iterator[str]:
    yield f"### {tool.name}"
    marks = {
        "only reads": tool.only_reads,
        "may undo": tool.destroys,
        "the same call again changes nothing more": tool.is_idempotent,
        "for agents at work only": tool.for_runs is True,
        "for a person's programs only": tool.for_runs is False,
    }
    notes = [note for note, is_so in marks.items() if is_so]
    yield f"{tool.description} ({'; '.join(notes)})" if notes else tool.description
    if tool.takes:
        aliases: dict[str, list[str]] = {}
        for alias, name in tool.aliases.items():
            aliases.setdefault(name, []).append(alias)
        rows = [
            [
                f"**{code(name)}**" if name in tool.needs else code(name),
                _kind(schema),
                " ".join(
                    [
                        schema.get("description", ""),
                        *(f"Also {code(alias)}." for alias in aliases.get(name, ())),
                    ]
                ),
            ]
            for name, schema in tool.takes.items()
        ]
        yield table(["Parameter", "Type", "Meaning"], rows)
    fields = tool.output_schema.get("properties", {})
    yield "Gives " + ", ".join(code(name) for name in fields) + "."


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        kind = ", ".join(map(code, schema["enum"]))
    elif schema.get("type") == "array":
        kind = f"list of {_kind(schema['items'])}, at most {schema['maxItems']}"
    elif "minimum" in schema:
        kind = f"{schema['minimum']} to {schema['maximum']}"
    elif "maxLength" in schema:
        kind = f"text, at most {schema['maxLength']}"
    else:
        kind = str(schema.get("type", "anything"))
    default = schema.get("default")
    return kind if default is None else f"{kind}; default {code(str(default))}"
