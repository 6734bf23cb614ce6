"""`abathur completion`: the script that makes a shell complete commands and task ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abathur.cli import output

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

NAME = "abathur"
VARIABLE = "_ABATHUR_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash: echo 'eval "$(abathur completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(abathur completion zsh)"' >> ~/.zshrc
    fish: abathur completion fish > ~/.config/fish/completions/abathur.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    output.write(_script(kind))


def _script(kind: type[ShellComplete]) -> str:
    """Not `source()`: that one starts the shell to ask for its version."""
    root = click.get_current_context().find_root().command
    made = kind(root, {}, NAME, VARIABLE)
    return (made.source_template % made.source_vars()).strip()
