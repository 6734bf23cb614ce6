"""Every command there is."""

from collections.abc import Iterator

import click


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Groups too, by what is typed to call them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


def with_json(group: click.Group) -> Iterator[tuple[str, bool]]:
    """Each command that is no group, and whether it has the option."""
    for name, command in commands(group):
        if not isinstance(command, click.Group):
            options = {option for param in command.params for option in param.opts}
            yield name, "--json" in options
