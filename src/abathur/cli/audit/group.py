"""The table of audit commands. Without a command's name it is `show`."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "show": (
        "abathur.cli.audit.show:show",
        "Show the trail. Also without this word: `abathur audit [ID]`.",
    ),
    "verify": (
        "abathur.cli.audit.verify:verify",
        "Prove that no entry was changed or removed. Exit code 1 when one was.",
    ),
    "replay": (
        "abathur.cli.audit.replay:replay",
        "Tell the tasks from the trail alone, as they are or were.",
    ),
}


class ShowByDefault(LazyGroup):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_own = args and (args[0] in self.lazy or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_own else ["show", *args])


@click.group(cls=ShowByDefault, lazy=COMMANDS)
def audit() -> None:
    """Show the trail of all changes of tasks, prove it, and look into the past."""
