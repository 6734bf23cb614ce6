"""What is typed, and how it ends: commands and exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from abathur.cli.exit_codes import EXIT_CODES, exit_code
from abathur.cli.main import cli
from abathur.domain import errors
from generating.text import code, table

WIDTH: Final = 96


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """The command and all below it, by what is typed for them."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from walk(below, f"{path} {name}")


def command_line() -> str:
    first = {id(command): path for path, command in reversed(list(walk(cli, "abathur")))}
    parts = [
        "# Commands",
        "What `--help` says. Ids may be shortened to a unique prefix. Data goes to stdout, talk to"
        " stderr; see [exit codes](exit-codes.md) and [JSON](json.md).",
    ]
    for path, command in walk(cli, "abathur"):
        parts.append(f"## {path}")
        if first[id(command)] == path:
            parts.append(f"```text\n{_help(path, command)}\n```")
        else:
            parts.append(f"The same as `{first[id(command)]}`.")
    return "\n\n".join(parts)


def _help(path: str, command: click.Command) -> str:
    *above, name = path.split()
    parent = click.Context(cli, info_name=" ".join(above)) if above else None
    context = click.Context(
        command,
        parent,
        name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def exit_codes() -> str:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = [kind for kind in kinds if issubclass(kind, errors.AbathurError)]
    rows = []
    for number, meaning in EXIT_CODES.items():
        names = sorted(
            code(kind.__name__)
            for kind in ours
            if exit_code(kind.__new__(kind)) == number and kind is not errors.AbathurError
        )
        rows.append([str(number), meaning, ", ".join(names)])
    return "\n\n".join(
        [
            "# Exit codes",
            table(["Code", "Meaning", "Errors (`type` in JSON)"], rows),
            "An error is one line on stderr, or a few when there are several things to name; with"
            " `--json` it is an [Error](json.md#error) there,"
            " and stdout stays empty. A bug leaves a crash log in `.abathur/logs/`.",
            "`abathur swarm start --until-idle` ends with 1 when tasks have failed, and with 130"
            " when a signal stopped it before it was idle. `abathur db check`, `abathur doctor`"
            " and `abathur demo` end with 1 when they found something wrong.",
        ]
    )
