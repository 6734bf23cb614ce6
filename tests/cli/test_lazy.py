import click
import pytest

from abathur.cli.lazy import LazyGroup
from abathur.cli.main import cli


def commands(group: click.Group, *path: str) -> list[tuple[str, click.Command]]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        found.append((" ".join((*path, name)), command))
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
    return found


COMMANDS = commands(cli)


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_has_help(name: str, command: click.Command) -> None:
    assert command.get_short_help_str(200)
    for option in command.params:
        if isinstance(option, click.Option) and len(option.name or "") > 0:
            described = option.help or option.metavar or isinstance(option.type, click.Choice)
            assert described or option.show_default, f"{name} {option.name}"


@pytest.mark.parametrize(
    ("name", "command"),
    [(n, c) for n, c in COMMANDS if not isinstance(c, click.Group)],
    ids=[n for n, c in COMMANDS if not isinstance(c, click.Group)],
)
def test_every_command_speaks_json(name: str, command: click.Command) -> None:
    names = {option for param in command.params for option in param.opts}
    if name not in ("completion", "demo", "swarm start"):
        assert "--json" in names


def test_an_unknown_command_is_none() -> None:
    group = LazyGroup("x", lazy={})
    assert group.get_command(click.Context(group), "nope") is None
