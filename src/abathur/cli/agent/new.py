"""`abathur agent new`: a definition to fill in."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.text import clean

BODY: Final = """\
You are an agent that works on one task in a git worktree of its own.

Say here what this kind of agent is for, what it has to look at first, how it decides, and what it
must not do.

When you are done, report what you did with `task_report`, or end with a JSON object:

```json
{"execution_status": {"status": "SUCCESS"}, "deliverables": {}, "orchestration_context": {}}
```
"""


@click.command()
@click.argument("name", metavar="TYPE")
@click.option("--description", default="", help="What it is for, in one line.")
@click.option("--model", help="The model, or an alias like `fast`, `balanced` or `strong`.")
@click.option("--tools", help="What it may use, with commas between.")
@click.option("--runtime", help="What runs it.  [default: the configured one]")
@json_option
def new(name: str, as_json: bool, **given: str | None) -> None:
    """Write a definition for a new agent type into `.abathur/agents`, to be filled in."""
    from abathur.bootstrap import definitions

    project = context.project()
    file = definitions.write_definition(project.root, name, _text(name, given))
    shown = str(file.relative_to(project.root))
    if as_json:
        output.write_json({"name": name, "path": shown})
    else:
        output.write(clean(shown))
        output.say(f"Now say in {clean(shown)} what it is to do; `abathur agent check` reads it.")


def _text(name: str, given: dict[str, str | None]) -> str:
    import json

    wanted = {"name": name, **given, "description": given["description"] or f"Works as {name}."}
    # A text of JSON is one of YAML, whatever characters it has.
    lines = [
        f"{key}: {value if key == 'name' else json.dumps(value, ensure_ascii=False)}"
        for key, value in wanted.items()
        if value
    ]
    return "\n".join(["---", *lines, "---", "", BODY])
