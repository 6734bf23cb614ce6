"""Going on with what was cut off: the same session, in the same folder, with the same files."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

from abathur.domain.agents import AgentSpec
from abathur.domain.continuing import CUT_OFF, Unfinished, without
from abathur.domain.runs import Attempt, Outcome, OutcomeKind
from abathur.ports.runtimes import AgentRuntime
from abathur.services import continuing
from abathur.swarm.departed import is_dead
from abathur.swarm.parts import Parts
from abathur.swarm.state import Run


def can_resume(runtime: AgentRuntime) -> bool:
    return getattr(runtime, "resumes", False) is True


async def unfinished(parts: Parts, run: Run, runtime: AgentRuntime, name: str) -> Unfinished | None:
    """What the run may go on with; None where it has to begin anew. Raises `DatabaseError`."""
    if run.attempt.number == 1 or not can_resume(runtime):
        return None
    found = await parts.db.read(continuing.unfinished, *run.key)
    if found is None or found.attempt.runtime != name or os.path.lexists(found.worktree_path):
        return None
    if found.attempt.outcome is OutcomeKind.LOST and not await _is_gone(parts, found.attempt):
        return None
    return found if await start_of(parts, found) else None


async def iterated(
    parts: Parts, run: Run, runtime: AgentRuntime, spec: AgentSpec
) -> Unfinished | None:
    """The session whose work the run improves on; None where it has to begin another.

    Raises `DatabaseError`.
    """
    if run.attempt.number == 1 or not can_resume(runtime):
        return None
    known = await parts.db.read(continuing.iterated, *run.key)
    if known is None:
        return None
    found, last = known
    is_like_it = (found.attempt.runtime, found.attempt.model) == (spec.runtime, spec.model)
    if not is_like_it or os.path.lexists(found.worktree_path):
        return None
    if last.outcome is OutcomeKind.LOST and not await _is_gone(parts, last):
        return None
    return found


async def _is_gone(parts: Parts, attempt: Attempt) -> bool:
    """Whether its worker is proven dead. One that is only late may still tidy up its folder."""
    worker_id = attempt.worker_id
    worker = await parts.db.read(lambda stores: stores.workers.get(worker_id))
    return worker is not None and (worker.stopped_at is not None or is_dead(parts, worker))


async def start_of(parts: Parts, found: Unfinished) -> str | None:
    """The commit with the files as they were."""
    return await parts.repository.resolve(found.attempt.salvage_ref or found.base_commit)


def home_for(parts: Parts, runtime: AgentRuntime, worktree: Path) -> Path | None:
    """Where a program keeps the session that works there; None where it stays for one run only."""
    if not can_resume(runtime):
        return None
    home = parts.sessions / worktree.name
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


async def drop_home(home: Path | None, outcome: Outcome) -> None:
    """Unless it is to be gone on with."""
    if home is not None and outcome.kind not in CUT_OFF:
        await forget_session(home)


async def forget_session(home: Path) -> None:
    """There is no work in it, and what a program keeps for itself may tell secrets."""
    await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


def of_this_run(outcome: Outcome, found: Unfinished | None) -> Outcome:
    """With what this run alone has used, where the program counts over the session."""
    if found is None or outcome.usage is None:
        return outcome
    own = without(outcome.usage, found.used)
    if outcome.is_session_usage:
        return replace(outcome, usage=own)
    if outcome.is_session_cost:
        return replace(outcome, usage=replace(outcome.usage, cost_usd=own.cost_usd))
    return outcome
