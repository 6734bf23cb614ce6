"""Watches what a running agent spends, and what it hears of its provider's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import fields, replace
from typing import Any, Final, TypeGuard

from abathur.domain.agents import AgentSpec
from abathur.domain.budgets import EPSILON
from abathur.domain.continuing import Unfinished, without
from abathur.domain.errors import AbathurError, DatabaseError, StaleFenceError
from abathur.domain.failures import FailureClass
from abathur.domain.pools import Observation, PoolKey, observation, pools_of
from abathur.domain.runs import EventKind, Outcome, OutcomeKind, RunEvent, Usage
from abathur.domain.tasks import JsonObject
from abathur.ports.stores import Stores
from abathur.services import accounting, budgeting, pooling, reserving
from abathur.services.pooling import Draws
from abathur.services.reserving import Share
from abathur.services.running import Report
from abathur.swarm.admission import spending_rules
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import Parts
from abathur.swarm.state import Run, State, StopReason

ANSWERS: Final = frozenset({EventKind.TEXT, EventKind.TOOL_USE, EventKind.USAGE})
"""Events that a program can't tell unless its provider answered."""


COUNTING_TURNS: Final = frozenset({"anthropic", "claude", "gemini", "openai"})
"""Runtimes whose programs keep to `max_turns` themselves. Of others the uses of tools count."""


class Meter:
    """Of one run. `take` is called on the swarm's loop with each event, and returns at once."""

    def __init__(self, parts: Parts, state: State, run: Run) -> None:
        self._parts, self._state, self._run = parts, state, run
        self._spending = spending_rules(parts)
        self._draws: Draws | None = None
        self._is_probe = False
        self.tries: frozenset[PoolKey] = frozenset()
        """Pools of which the run tries whether they are open again."""
        self._spent = 0.0
        self._before: Usage | None = None
        """What earlier runs of the session have used, and programs count that tell its total."""
        self._told: set[Observation] = set()
        self._writes: set[asyncio.Task[None]] = set()
        self.budget_usd: float | None = None
        """What is left for the task, or what its agent type may spend in a run; None: no end."""
        self.tokens_left: int | None = None
        """What is left of its loop's tokens; None: no end."""
        self._left_usd: float | None = None
        self._own_usd: float | None = None
        self._share: Share | None = None
        """In budgets that others draw on too; None: there is none."""
        self._is_keeping_up = False
        self._has_ended = False
        self._tokens = 0
        self._uses = 0
        self._most_uses: int | None = None

    async def begin(self, spec: AgentSpec) -> None:
        """Look up what the run may spend, and whether it tries a pool. Raises `DatabaseError`."""
        task_id, number = self._run.key
        self._draws = Draws(f"{task_id}/{number}", pools_of(spec))
        left, self._share, self.tries = await self._parts.db.read(self._facts, self._draws.run)
        self._is_probe = not self.tries.isdisjoint(self._draws.pools)
        self._left_usd, self._own_usd = left, spec.settings.get("budget")
        self.keep_to(1, None)
        turns = spec.settings.get("max_turns")
        if isinstance(turns, int) and spec.runtime not in COUNTING_TURNS:
            self._most_uses = turns

    def keep_to(self, shares: int, usd: float | None) -> None:
        """To `usd`, and to its share of the task's budget when several runs go on at once."""
        left = None if self._left_usd is None else self._left_usd / shares
        limits = [one for one in (left, self._own_usd, usd) if one is not None]
        self.budget_usd = min(limits) if limits else None

    def blame(self, spec: AgentSpec) -> None:
        """Let a refusal by a provider count for the pools of another agent, which it was about."""
        task_id, number = self._run.key
        self._draws, self._is_probe = Draws(f"{task_id}/{number}", pools_of(spec)), False

    def draw_on(self, draws: Draws) -> None:
        """Let the end of the run count for other pools than its agent's, which it didn't reach."""
        self._draws, self._is_probe = draws, False

    def begin_behind(self, unfinished: Unfinished | None) -> None:
        """A program starts. What the runs before have used of its session isn't this run's."""
        self._before = unfinished.used if unfinished else None
        self._has_ended = False

    def _facts(
        self, stores: Stores, run: str
    ) -> tuple[float | None, Share | None, frozenset[PoolKey]]:
        left = budgeting.left_for_task(stores, self._spending, self._run.task.id)
        shared = reserving.share(stores, self._spending, *self._run.key)
        return left, shared, pooling.tried_by(stores, run)

    @property
    def told_usd(self) -> float | None:
        """What its program may be told to keep to; None: no end."""
        shared = None if self._share is None else max(0.0, self._share.left_usd)
        limits = [one for one in (self.budget_usd, shared) if one is not None]
        return min(limits) if limits else None

    def take(self, event: RunEvent) -> None:
        if event.kind is EventKind.USAGE:
            self._count(event)
        elif event.kind is EventKind.TOOL_USE:
            self._count_use()
        elif event.kind is EventKind.LIMIT:
            self._observe(event)
        if self._is_probe and event.kind in ANSWERS and self._draws is not None:
            self._is_probe = False
            self._write(self._open_pools(self._draws))

    def _count_use(self) -> None:
        self._uses += 1
        is_over = self._most_uses is not None and self._uses > self._most_uses
        if is_over and not self._run.stop.is_set():
            self._run.end(StopReason.OVER_TURNS)

    def _count(self, event: RunEvent) -> None:
        is_total = event.data.get("is_total") is True
        if event.data.get("of_session") is True and self._before is not None:
            event = replace(event, data=_since(self._before, event.data))
        cost, tokens = event.data.get("cost_usd"), _tokens(event)
        if _is_figure(cost, 1e9):
            self._spent = max(self._spent, cost) if is_total else self._spent + cost
        self._tokens = max(self._tokens, tokens) if is_total else self._tokens + tokens
        if (self.is_over_budget or self.is_out_of_tokens) and not self._run.stop.is_set():
            self._run.end(StopReason.OVER_BUDGET)
        elif self._is_behind and not self._is_keeping_up:
            self._is_keeping_up = True
            self._write(self._keep_up())

    @property
    def _is_behind(self) -> bool:
        return self._share is not None and self._spent > self._share.reserved_usd + EPSILON

    @property
    def _is_over_share(self) -> bool:
        return self._share is not None and self._spent > self._share.left_usd + EPSILON

    async def _keep_up(self) -> None:
        """Set aside what was spent; end the run where that was more than there was room for."""
        try:
            while self._is_behind and not self._run.stop.is_set():
                self._share = await self._parts.db.write(
                    reserving.keep_up, self._spending, self._run.holder, self._spent
                )
                # What has ended has spent it: there is nothing to be saved by refusing its work.
                if self._is_over_share and not self._has_ended:
                    self._run.end(StopReason.OVER_BUDGET)
        except StaleFenceError:
            pass  # the heartbeat ends it
        finally:
            self._is_keeping_up = False

    @property
    def is_over_budget(self) -> bool:
        return self.budget_usd is not None and self._spent > self.budget_usd + EPSILON

    @property
    def is_out_of_tokens(self) -> bool:
        return self.tokens_left is not None and self._tokens > self.tokens_left

    def _observe(self, event: RunEvent) -> None:
        seen = observation(event, self._parts.clock.now())
        if seen is None or self._draws is None:
            return
        rounded = replace(seen, resets_at=None, used_share=round(seen.used_share or 0.0, 2))
        if rounded not in self._told:
            self._told.add(rounded)
            self._write(self._note(self._draws, seen))

    async def _note(self, draws: Draws, seen: Observation) -> None:
        now = self._parts.clock.now()
        pool = await self._parts.db.write(pooling.observe, draws, seen, now)
        if pool is not None and pool.exhausted_until is not None:
            self._state.tell(
                SwarmEventKind.LIMIT_REACHED,
                f"limit {pool.limit_window} of {pool.key} is used up until "
                f"{pool.exhausted_until:%H:%M:%S} UTC",
                task=self._run.task,
                attempt=self._run.attempt.number,
            )

    async def _open_pools(self, draws: Draws) -> None:
        if await self._parts.db.write(pooling.answered, draws, self._parts.clock.now()):
            self._state.tell(
                SwarmEventKind.LIMIT_OVER,
                f"{draws.pools[0]} answers again",
                task=self._run.task,
                attempt=self._run.attempt.number,
            )
            self._state.ring_all()

    def _write(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._written(work))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _written(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except DatabaseError as error:
            self._state.warn(f"a limit isn't written down: {error}", self._run.task)

    async def settle(self) -> None:
        """Wait until what was seen is written down. The run's program has ended."""
        self._has_ended = True
        await asyncio.gather(*self._writes, return_exceptions=True)

    def stopped(self, usage: Usage | None) -> Outcome:
        """The outcome of a run that was stopped: for its budget, its turns, or with the swarm."""
        if self._run.reason is StopReason.OVER_TURNS:
            return Outcome(
                kind=OutcomeKind.FAILED,
                message=f"stopped after {self._most_uses} uses of tools; raise max_turns",
                usage=usage,
                failure=FailureClass.AGENT,
            )
        if self._run.reason is not StopReason.OVER_BUDGET:
            return Outcome(kind=OutcomeKind.RELEASED, message="the swarm was stopped", usage=usage)
        left = self.budget_usd or 0.0
        message = f"stopped at ${self._spent:.2f}, as ${left:.2f} of its budget were left"
        if self._share is not None and self._is_over_share and not self.is_over_budget:
            left = max(0.0, self._share.left_usd)
            message = (
                f"stopped at ${self._spent:.2f}, as the budget of {self._share.narrowest} had "
                f"${left:.2f} left for it"
            )
        if self.is_out_of_tokens:
            message = f"stopped at {self._tokens} tokens, as its loop had {self.tokens_left} left"
        return Outcome(
            kind=OutcomeKind.FAILED,
            message=message,
            usage=usage,
            failure=FailureClass.BUDGET,
        )

    def completed(self, report: Report) -> Report:
        """The report with what providers' limits need."""
        return replace(report, draws=self._draws, is_probe=self._is_probe)

    async def correct(self, outcome: Outcome) -> None:
        """Book what a run cost whose report isn't taken. Never raises."""
        if outcome.usage is None:
            return
        task_id, number = self._run.key
        try:
            await self._parts.db.write(accounting.correct, task_id, number, outcome.usage)
        except AbathurError as error:
            self._state.warn(f"a late cost isn't written down: {error}", self._run.task)


def _since(before: Usage, told: JsonObject) -> JsonObject:
    known = {one.name: told.get(one.name) for one in fields(Usage)}
    figures: dict[str, Any] = {n: value for n, value in known.items() if _is_figure(value, 1e12)}
    rest = without(Usage(**figures), before)
    return {**told, **{name: getattr(rest, name) for name in figures}}


def _is_figure(value: object, below: float) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < below


def _tokens(event: RunEvent) -> int:
    values = [event.data.get(name) for name in ("input_tokens", "output_tokens")]
    return sum(int(value) for value in values if _is_figure(value, 1e12))
