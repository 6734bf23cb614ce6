import click

from abathur.cli.lazy import LazyGroup
from abathur.cli.main import cli
from tests.cli.commands import commands, with_json


def test_every_command_can_be_loaded_and_has_help() -> None:
    assert [name for name, command in commands(cli) if not command.get_short_help_str()] == []


def test_every_option_is_explained() -> None:
    unclear = [
        f"{name} {option.opts[0]}"
        for name, command in commands(cli)
        for option in command.params
        if isinstance(option, click.Option)
        and not (option.help or option.metavar or isinstance(option.type, click.Choice))
    ]
    assert unclear == []


def test_every_command_speaks_json() -> None:
    dumb = [name for name, speaks in with_json(cli) if not speaks]
    # A script, an exposition format and a protocol have forms of their own.
    assert dumb == ["metrics", "mcp serve", "completion"]


def test_an_unknown_command_is_none() -> None:
    group = LazyGroup("x", lazy={})
    assert group.get_command(click.Context(group), "nope") is None
