"""What would make every task fail or every landing a nuisance, found before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

from abathur.domain.errors import AgentUnavailableError, DirtyTargetError
from abathur.domain.run_specs import run_spec
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores, TaskFilter
from abathur.swarm import workspace
from abathur.swarm.admission import admission_rules
from abathur.swarm.parts import Parts


async def check(parts: Parts, *, allow_dirty: bool) -> None:
    """Raises `DirtyTargetError`, `AgentUnavailableError`, `UnknownBranchError`, `ConfigError`.

    Targets that nothing can land on at the moment are left out: work for them waits.
    """
    tasks = await parts.db.read(unfinished)
    for agent_type in sorted({task.agent_type for task in tasks}):
        _check_agent(parts, next(task for task in tasks if task.agent_type == agent_type))
    targets = {await workspace.target_of(parts, task) for task in tasks}
    targets -= admission_rules(parts).closed(targets)
    if not allow_dirty:
        # A landing cut off after moving the ref has left a tree that only looks dirty; it is
        # brought along when that landing is finished.
        interrupted = await parts.db.read(moving_targets)
        for target in sorted(targets - interrupted):
            await _check_clean(parts, target)


def unfinished(stores: Stores) -> list[Task]:
    tasks: list[Task] = []
    while page := stores.tasks.select(
        TaskFilter(limit=1000, after_id=tasks[-1].id if tasks else None)
    ):
        tasks.extend(page)
    return [task for task in tasks if not task.status.is_final]


def moving_targets(stores: Stores) -> set[str]:
    return {landing.target for landing in stores.landings.open() if landing.merge_commit}


def _check_agent(parts: Parts, task: Task) -> None:
    spec = parts.resolve_agent(task.agent_type)
    runtime = parts.load_runtime(spec.runtime)
    command = runtime.command(
        run_spec(
            spec,
            Path(parts.repository.root),
            task_id=task.id,
            attempt=1,
            prompt=task.prompt,
            worktree=Path(parts.repository.root),
            scratch=parts.folder,
            session_id=parts.new_id(),
            input_data=task.input_data,
        )
    )
    # A relative one is looked up in the worktree, which isn't there yet.
    program = Path(command.argv[0])
    if program.is_absolute() and not os.access(program, os.X_OK):
        raise AgentUnavailableError(
            f"program `{program}` of agent type `{task.agent_type}` doesn't exist or can't be "
            "executed; install it, or correct the configuration"
        )


async def _check_clean(parts: Parts, target: str) -> None:
    tip = await parts.repository.resolve(f"refs/heads/{target}")
    if tip is None:
        return
    for tree in await parts.repository.checkouts(target, tip):
        if tree.is_dirty:
            state = tree.in_use or "uncommitted changes"
            remedy = "finish or remove that" if tree.in_use else "commit or stash them"
            raise DirtyTargetError(
                f"target branch `{target}` is checked out with {state} at {tree.path}; "
                f"{remedy}, or start with --allow-dirty to leave that folder behind"
            )
