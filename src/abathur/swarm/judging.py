"""A judge's run: another agent looks at an iteration and gives a score, with reasons."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from abathur.domain.agents import AgentSpec
from abathur.domain.budgets import EPSILON
from abathur.domain.errors import AbathurError, DatabaseError, RefusedError, StaleFenceError
from abathur.domain.failures import FailureClass
from abathur.domain.iterations import Iteration
from abathur.domain.loops.criteria import Criterion
from abathur.domain.loops.readings import judged
from abathur.domain.retry import is_refused
from abathur.domain.runs import Command, EventKind, Outcome, OutcomeKind, RunEvent, RunSpec, Usage
from abathur.domain.tasks import Task
from abathur.ports.processes import Launch
from abathur.services.reserving import Further, reserve_more
from abathur.swarm.admission import spending_rules
from abathur.swarm.choosing import chosen
from abathur.swarm.parts import Parts
from abathur.swarm.state import Run

KEPT_EVENTS: Final = 2000
MAX_DIFF: Final = 60_000
"""Bytes of the change that the judge is shown; it can look at the rest itself."""

PROMPT: Final = """\
# Judge this work

Somebody was given the task below and has changed the worktree that you are in. Judge the result by
the rubric, and nothing else. Don't change any file.

# The task

{task}

# The rubric

{rubric}

# The change

The work is commit `{work}`, made from `{base}`. The change, which may be cut:

```diff
{diff}
```

# Your answer

End with one JSON object on a line of its own, with a score from 0 (useless) to 1 (perfect) and the
reasons, the most important first:

{{"score": 0.0, "reasons": ["..."]}}
"""


class JudgeRefusedError(Exception):
    """The judge couldn't do its work for no fault of it: its provider, a limit or its set-up."""

    def __init__(self, outcome: Outcome, spec: AgentSpec) -> None:
        super().__init__(outcome.message)
        self.outcome, self.spec = outcome, spec


class Judge:
    def __init__(
        self,
        parts: Parts,
        run: Run,
        launching: Callable[[Command, str, float], Launch],
        loop_usd: float | None = None,
    ) -> None:
        """`loop_usd` is what the loop had left before the run; None is without end."""
        self._parts, self._run, self._launching = parts, run, launching
        self._loop_usd = loop_usd

    async def score(
        self, criterion: Criterion, iteration: Iteration, used: Usage | None
    ) -> tuple[dict[str, Any], Usage | None]:
        """What is kept of the judgement, and what it used. A judge that fails gives no score.

        `used` is what the attempt has used before. Raises `JudgeRefusedError`, and what writing to
        the database raises.
        """
        try:
            return await self._ask(criterion, iteration, used)
        except (DatabaseError, StaleFenceError):
            raise
        except (AbathurError, OSError) as error:
            return {"error": " ".join(str(error).split())}, None

    async def _ask(
        self, criterion: Criterion, iteration: Iteration, used: Usage | None
    ) -> tuple[dict[str, Any], Usage | None]:
        spec = self._parts.resolve_agent(criterion.agent or "")
        spec, _ = await chosen(self._parts, spec, self._run.attempt)
        left = await self._room(spec, iteration, used)
        runtime = self._parts.load_runtime(spec.runtime)
        folder = self._parts.run_folder(self._run.task.id, self._run.attempt.number)
        scratch = folder / "scratch" / "judge"
        scratch.mkdir(parents=True, exist_ok=True)
        command = runtime.command(
            RunSpec(
                task_id=self._run.task.id,
                attempt=self._run.attempt.number,
                agent_type=spec.agent_type,
                prompt=await self._prompt(self._run.task, criterion, iteration),
                system_prompt=spec.system_prompt,
                model=spec.model,
                tools=spec.tools,
                worktree=self._launching(Command(argv=("true",)), "judge.jsonl", 1).cwd,
                scratch=scratch,
                session_id=self._parts.new_id(),
                settings=spec.settings,
                budget_usd=left,
            )
        )
        events: deque[RunEvent] = deque(maxlen=KEPT_EVENTS)
        log = f"judge-{iteration.number}.jsonl"
        end = await self._parts.processes.run(
            self._launching(command, log, criterion.timeout_seconds),
            on_started=lambda _: None,
            on_line=lambda line: events.extend(runtime.parse(line)),
            stop=self._run.stop,
        )
        outcome = runtime.outcome(end, list(events))
        if is_refused(outcome) and outcome.failure is not FailureClass.BUDGET:
            raise JudgeRefusedError(outcome, spec)
        if outcome.kind is not OutcomeKind.SUCCEEDED:
            return {"error": f"the judge failed: {outcome.message or outcome.kind}"}, outcome.usage
        found = judged(outcome.result_data)
        if "error" in found:
            texts = [one.text for one in events if one.kind is EventKind.TEXT]
            found = judged("\n".join(texts))
        return found, outcome.usage

    async def _room(
        self, spec: AgentSpec, iteration: Iteration, used: Usage | None
    ) -> float | None:
        """What it may spend, set aside before it starts; None is without end."""
        loop_usd = self._loop_usd
        if loop_usd is not None:
            loop_usd -= (used.cost_usd if used else None) or 0.0
            if loop_usd <= EPSILON:
                raise RefusedError("its loop has no money left for it (`max_usd`)")
        room = await self._parts.db.write(
            reserve_more,
            spending_rules(self._parts),
            self._run.holder,
            Further(spec=spec, target=iteration.target, used=used),
            self._parts.clock.now(),
        )
        if room.refusal:
            raise JudgeRefusedError(
                Outcome(
                    kind=OutcomeKind.RELEASED if room.wait_seconds else OutcomeKind.FAILED,
                    message=room.refusal,
                    retry_after_seconds=room.wait_seconds,
                    failure=None if room.wait_seconds else FailureClass.BUDGET,
                ),
                spec,
            )
        limits = (room.left_usd, loop_usd, spec.settings.get("budget"))
        return min((one for one in limits if one is not None), default=None)

    async def _prompt(self, task: Task, criterion: Criterion, iteration: Iteration) -> str:
        diff = await self._parts.repository.diff(iteration.base_commit, iteration.work_commit)
        return PROMPT.format(
            task=task.prompt.strip(),
            rubric=criterion.rubric,
            work=iteration.work_commit,
            base=iteration.base_commit,
            diff=diff[:MAX_DIFF].decode("utf-8", "replace"),
        )
