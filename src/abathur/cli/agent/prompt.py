"""`abathur agent prompt`: what a task's agent is told, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.shape_fields_agents import PROMPT
from abathur.cli.task.ids import id_argument
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.bootstrap.prompting import Prompt


@click.command()
@id_argument()
@click.option("--system", is_flag=True, help="Print the instructions of the agent type instead.")
@json_option
def prompt(task_id: str, system: bool, as_json: bool) -> None:
    """Print what the task's agent is told: by the attempt that runs, or else by the next one.

    It is the very text that the agent's program gets; `abathur agent templates` shows what it is
    made of. The instructions of the agent type, its system prompt, go apart.
    """
    found = context.run(_prompt, context.project(), task_id)
    if as_json:
        output.write_json({field: getattr(found, field) for field in PROMPT})
        return
    text = found.system_prompt if system else found.prompt
    output.write_bytes(text.encode(errors="replace"))
    if not text.endswith("\n"):
        output.write()
    if output.is_terminal():
        output.say(_sentence(found))


async def _prompt(project: Project, task_id: str) -> Prompt:
    from abathur.bootstrap.prompting import prompt_of

    async with context.opened(project, only_reads=True) as db:
        return await prompt_of(project, db, task_id, context.now())


def _sentence(found: Prompt) -> str:
    size = len(found.system_prompt)
    apart = f"its system prompt has {size} characters (--system)" if size else "no system prompt"
    return (
        f"For attempt {found.attempt} by agent type {clean(found.agent_type)}, run by "
        f"{clean(found.runtime)}; {apart}."
    )
