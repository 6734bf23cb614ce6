"""Who calls from outside, and how much a run may put into the queue by itself."""

from __future__ import annotations

from dataclasses import dataclass

from abathur.domain.errors import RefusedError
from abathur.domain.settings import McpSettings
from abathur.domain.wording import count


@dataclass(frozen=True, slots=True)
class RunKey:
    """One run of a task. It is over when the task's fence is another one."""

    task_id: str
    attempt: int
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person's program, or a run of ours, which may do far less."""

    name: str
    """What a person is called; of no meaning for a run."""
    run: RunKey | None = None

    @property
    def actor(self) -> str:
        """For the audit trail."""
        return f"mcp:{self.run.task_id if self.run else self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The tasks that came, over any number of steps, from the same first task."""

    depth: int
    """Of the task that wants to add: how many tasks are above it."""
    size: int
    """How many tasks were added below the first one so far."""
    spent_usd: float
    """What all of them have cost so far."""


def check_spawn(limits: McpSettings, family: Family, wanted: int) -> None:
    """Raise `RefusedError` when the family may not get so many more members."""
    if family.depth + 1 > limits.max_depth:
        raise RefusedError(
            f"tasks may be added {count(limits.max_depth, 'level')} below the first one, and this"
            f" would be level {family.depth + 1} (`mcp.max_depth`); do the work yourself, or"
            " report what is left to be done"
        )
    if family.size + wanted > limits.max_tasks:
        raise RefusedError(
            f"{count(family.size, 'task')} came from the first one already, and {wanted} more"
            f" would exceed {limits.max_tasks} (`mcp.max_tasks`); add fewer, or report what"
            " is left to be done"
        )
    if limits.max_usd is not None and family.spent_usd >= limits.max_usd:
        raise RefusedError(
            f"the tasks that came from the first one have cost ${family.spent_usd:.2f} of"
            f" ${limits.max_usd:.2f} (`mcp.max_usd`); report what is left to be done"
        )
