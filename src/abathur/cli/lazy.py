"""A group whose commands are imported when they are called, not when they are listed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

Commands = Mapping[str, tuple[str, str]]
"""Name of the command -> (`module:attribute`, one line of help)."""


class LazyGroup(click.Group):
    def __init__(self, name: str | None = None, *, lazy: Commands, **kwargs: Any) -> None:
        # Stand-ins: enough for click to list the names and to guess at a mistyped one.
        stubs = {key: click.Command(key, short_help=text) for key, (_, text) in lazy.items()}
        super().__init__(name, stubs, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, attribute = self.lazy[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])
