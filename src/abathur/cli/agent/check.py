"""`abathur agent check`: mistakes in definitions."""

from __future__ import annotations

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.text import clean


@click.command()
@click.argument("names", metavar="[TYPE]...", nargs=-1)
@json_option
def check(names: tuple[str, ...], as_json: bool) -> int:
    """Look for mistakes in the definitions of these agent types, or of all and in templates.

    Each is told with its file and line. The exit code is 1 when there are any. Whether the
    programs are installed is a question for `abathur doctor`.
    """
    from abathur.bootstrap import definitions

    project = context.project()
    problems = definitions.check_definitions(project, names)
    if as_json:
        output.write_json({"ok": not problems, "problems": list(problems)})
    elif problems:
        output.write_lines([clean(problem) for problem in problems])
    else:
        output.write("nothing is wrong")
    return BAD_ANSWER if problems else OK
