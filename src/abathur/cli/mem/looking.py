"""`abathur mem get`, `list` and `history`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.mem.options import (
    filters,
    key_argument,
    memory_shape,
    namespace_argument,
    value_line,
    value_lines,
    version_shape,
    wanted,
)
from abathur.cli.output import Column
from abathur.cli.text import age, local

if TYPE_CHECKING:
    from abathur.domain.memories import Memory, MemoryVersion

MEMORIES = (
    Column(title="NAMESPACE", most=30),
    Column(title="KEY", most=24),
    Column(title="TYPE"),
    Column(title="V", right=True),
    Column(title="AGE", right=True),
    Column(title="VALUE", flexible=True),
)
VERSIONS = (
    Column(title="V", right=True),
    Column(title="WHEN", most=26),
    Column(title="BY", most=24),
    Column(title="VALUE", flexible=True),
)


@click.command()
@namespace_argument
@key_argument
@click.option("--version", type=click.IntRange(min=1), help="An earlier version, deleted or not.")
@json_option
def get(namespace: str, key: str, version: int | None, as_json: bool) -> None:
    """Print the value of a memory."""
    from abathur.services import remembering

    if version is not None:
        found = context.read(remembering.version_of, namespace, key, version)
        shape, value = version_shape(found), found.value
    else:
        memory = context.read(remembering.get, namespace, key, now=context.now())
        shape, value = memory_shape(memory), memory.value
    if as_json:
        output.write_json(shape)
    else:
        output.write_lines(value_lines(value))


@click.command("list")
@filters
@click.option("--all", "also_gone", is_flag=True, help="Also deleted and expired ones.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most."
)
@json_option
def list_(as_json: bool, **typed: Any) -> None:
    """List memories, the newest first."""
    from abathur.services import remembering

    now = context.now()
    found = context.read(remembering.select, wanted(now, **typed), now=now)
    if as_json:
        output.write_json([memory_shape(one) for one in found])
    elif found:
        output.write_table(MEMORIES, memory_rows(found))
    else:
        output.say("Nothing is remembered; `abathur mem add NAMESPACE KEY TEXT` keeps something.")


def memory_rows(found: Sequence[Memory]) -> list[list[str]]:
    now = context.now()
    return [
        [
            one.namespace,
            one.key,
            one.memory_type.value,
            str(one.version),
            age(one.updated_at, now),
            f"{'(gone) ' if one.is_gone(now) else ''}{value_line(one.value)}",
        ]
        for one in found
    ]


@click.command()
@namespace_argument
@key_argument
@json_option
def history(namespace: str, key: str, as_json: bool) -> None:
    """Show all versions of a memory, the first one first."""
    from abathur.services import remembering

    found = context.read(remembering.history, namespace, key)
    if as_json:
        output.write_json([version_shape(one) for one in found])
    else:
        output.write_table(VERSIONS, [_version(one) for one in found])


def _version(one: MemoryVersion) -> list[str]:
    gone = "(deleted) " if one.is_deleted else ""
    return [
        str(one.version),
        local(one.updated_at),
        one.updated_by or "-",
        gone + value_line(one.value),
    ]
