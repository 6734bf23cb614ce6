"""A run whose agent names the parts of its task, instead of doing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from abathur.domain.delegation import RunKey
from abathur.domain.errors import AbathurError, DatabaseError
from abathur.domain.iterations import Trial
from abathur.domain.runs import Outcome, OutcomeKind
from abathur.domain.splitting import parts_of
from abathur.domain.wording import count
from abathur.services import parting, splitting
from abathur.services.looping import Plan
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import Parts
from abathur.swarm.state import Run, State
from abathur.swarm.workspace import Workspace


async def split(
    parts: Parts,
    state: State,
    run: Run,
    plan: Plan,
    place: Workspace,
    run_agent: Callable[[], Awaitable[Outcome]],
) -> tuple[Outcome, Trial | None]:
    """Parts that an earlier try of this iteration has added are taken as they are.

    Raises `DatabaseError`.
    """
    since = plan.base.measured_at if plan.base else None
    outcome = Outcome(kind=OutcomeKind.SUCCEEDED)
    if not await parts.db.read(splitting.parts, run.task.id, since):
        outcome = await run_agent()
        if outcome.kind is not OutcomeKind.SUCCEEDED:
            return outcome, None
        await _queue(parts, state, run, plan, outcome)
    made = await parts.db.read(splitting.parts, run.task.id, since)
    text = f"split into {count(len(made), 'task')}, which come first" if made else "not split"
    state.tell(SwarmEventKind.ITERATION, text, task=run.task, attempt=run.attempt.number)
    trial = Trial(
        number=plan.number,
        attempt=run.attempt.number,
        target=place.target,
        base_commit=place.base,
        work_commit=place.start,
        tree="",
        is_splitting=True,
    )
    return outcome, trial


async def _queue(parts: Parts, state: State, run: Run, plan: Plan, outcome: Outcome) -> None:
    named = parts_of(outcome.result.content) if outcome.result else ()
    if not named:
        return
    holder = run.holder
    try:
        await parts.db.write(
            parting.queue,
            RunKey(holder.task_id, holder.number, holder.fence),
            named,
            number=plan.number,
            limits=parts.settings.mcp,
            new_id=parts.new_id,
            now=parts.clock.now(),
        )
    except DatabaseError:
        raise
    except AbathurError as error:
        state.warn(f"the parts that were named can't be queued: {error}", run.task)
