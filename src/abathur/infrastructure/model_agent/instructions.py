"""What the model is told about its place, before what the agent's definition says."""

from __future__ import annotations

import json
from typing import Final

from abathur.infrastructure.model_agent.plan import Plan

BASE: Final = """\
You are an agent that does one task in a git worktree, which is your working directory:
{worktree}
Nobody watches and nobody can answer: decide for yourself, and say in the end what you decided.
Work with your tools. Read a file before you change it. Look whether what you did works.
When the task is done, or can't be done, end with a short report and without a call of a tool.\
"""


def system_prompt(plan: Plan) -> str:
    parts = [BASE.format(worktree=plan.worktree)]
    if plan.add_dirs:
        parts.append("You may also use these folders:\n" + "\n".join(plan.add_dirs))
    if plan.system_prompt:
        parts.append(plan.system_prompt)
    if plan.output_schema:
        schema = json.dumps(plan.output_schema)
        parts.append(f"End your report with a JSON object that fits this schema:\n{schema}")
    return "\n\n".join(parts)
