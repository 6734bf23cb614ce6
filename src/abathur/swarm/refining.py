"""One iteration of a loop around the run of an agent: its checkpoint, and what is measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from abathur.domain.agents import AgentSpec
from abathur.domain.errors import AbathurError, GitError
from abathur.domain.iterations import Iteration, Next, Trial
from abathur.domain.loops.criteria import Criterion, CriterionKind, walk
from abathur.domain.loops.readings import DIFF_LINES, GATE, JUDGE, MAX_OUTPUT, observed
from abathur.domain.loops.specs import Choice
from abathur.domain.model_names import resolved
from abathur.domain.runs import Command, Outcome, OutcomeKind, Usage, added
from abathur.domain.specs import merged
from abathur.ports.processes import Launch
from abathur.services import looping
from abathur.services.claiming import actor_of
from abathur.services.looping import Plan
from abathur.swarm import approvals, splitting
from abathur.swarm.admission import spending_rules
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.judging import Judge, JudgeRefusedError
from abathur.swarm.meter import Meter
from abathur.swarm.parts import Parts
from abathur.swarm.state import Run, State
from abathur.swarm.workspace import Workspace

Launching = Callable[[Command, str, float], Launch]
"""From a command, the name of its log and its time to what is started in the attempt's place."""


class Refining:
    def __init__(self, parts: Parts, state: State, run: Run, plan: Plan) -> None:
        self._parts, self._state, self._run, self._plan = parts, state, run, plan
        self._usage: Usage | None = None
        self._spec: AgentSpec | None = None
        self._meter: Meter | None = None
        self.trial: Trial | None = None
        """What is to be reported, once it is measured."""

    @property
    def is_settling(self) -> bool:
        return self._plan.is_settling

    @property
    def may_go_on(self) -> bool:
        """Whether a next iteration may go on with the session of this one."""
        return self.trial is not None and not self._plan.spec.candidates

    def settled(self) -> Outcome:
        """The end of a loop that was asked to end: nothing is run, what there is decides."""
        base = self._plan.base
        assert base is not None
        self.trial = Trial(
            number=base.number,
            attempt=self._run.attempt.number,
            target=base.target,
            base_commit=base.base_commit,
            work_commit=base.work_commit,
            tree=base.tree,
            is_settling=True,
        )
        return Outcome(kind=OutcomeKind.SUCCEEDED)

    def adapted(self, spec: AgentSpec) -> AgentSpec:
        """With the runtime and model of this iteration."""
        self._spec = self._chosen(spec, self._plan.choice)
        return self._spec

    def _chosen(self, spec: AgentSpec, choice: Choice) -> AgentSpec:
        settings = self._parts.settings
        runtime = choice.runtime or spec.runtime
        model = resolved(choice.model, runtime, settings.models)
        if runtime == spec.runtime:
            return replace(spec, model=model or spec.model)
        # Another runtime knows neither the model nor the settings of the one that the type names.
        ours, theirs = settings.runtimes.get(runtime, {}), settings.runtimes.get(spec.runtime, {})
        rest = {key: value for key, value in spec.settings.items() if key not in theirs}
        return replace(
            spec,
            runtime=runtime,
            model=model or resolved(ours.get("model"), runtime, settings.models),
            settings=merged(ours, rest),
        )

    def limited(self, meter: Meter, seconds: int) -> int:
        """Keep the attempt to what is left of the loop's limits; how long it may take."""
        plan, self._meter = self._plan, meter
        usd = None if plan.usd_left is None else plan.usd_left - plan.judges_usd
        meter.keep_to(plan.shares, usd)
        meter.tokens_left = plan.tokens_left
        return seconds if plan.seconds_left is None else min(seconds, plan.seconds_left)

    async def iterate(
        self, place: Workspace, run_agent: Callable[[], Awaitable[Outcome]], launching: Launching
    ) -> Outcome:
        """Run the agent, unless an earlier attempt got that far, and measure what it made."""
        if self._plan.is_splitting:
            outcome, self.trial = await splitting.split(
                self._parts, self._state, self._run, self._plan, place, run_agent
            )
            return outcome
        checkpoint = self._plan.checkpoint
        if checkpoint is not None and checkpoint.work_commit == place.start:
            self._tell(f"iteration {checkpoint.number} is done and is measured")
            return await self._measured(
                Outcome(kind=OutcomeKind.SUCCEEDED), checkpoint, place, launching
            )
        outcome = await run_agent()
        if outcome.kind is not OutcomeKind.SUCCEEDED:
            return outcome
        try:
            commit = await self._commit(place)
        except (AbathurError, OSError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            return replace(outcome, kind=OutcomeKind.FAILED, message=text)
        outcome = approvals.judged(outcome, is_changed=commit != place.start)
        if outcome.kind is not OutcomeKind.SUCCEEDED:
            return outcome
        iteration = await self._checkpoint(place, commit)
        return await self._measured(outcome, iteration, place, launching)

    async def _commit(self, place: Workspace) -> str:
        repository = self._parts.repository
        unfinished = await repository.unfinished(place.path)
        if unfinished is not None:
            raise GitError(f"the agent ended in the middle of {unfinished}; nothing of it counts")
        message = f"{self._run.task.summary}\n\nLeft by the agent uncommitted."
        return await repository.commit_leftovers(place.path, message)

    async def _checkpoint(self, place: Workspace, commit: str) -> Iteration:
        """Kept by a ref before the row says so."""
        task, attempt, plan = self._run.task, self._run.attempt, self._plan
        await self._parts.repository.salvage(task.id, attempt.number, commit)
        verdict = plan.verdict if plan.verdict and plan.verdict.next is Next.AGAIN else None
        iteration = Iteration(
            task_id=task.id,
            number=plan.number,
            attempt=attempt.number,
            runtime=self._spec.runtime if self._spec else None,
            model=self._spec.model if self._spec else None,
            strategy=verdict.strategy if verdict else None,
            pattern=verdict.pattern if verdict else None,
            target=place.target,
            base_commit=place.base,
            work_commit=commit,
            tree=await self._parts.repository.tree(commit),
            started_at=attempt.started_at,
            measured_at=None,
            measurement=None,
            reading=None,
            verdict=None,
        )
        holder = self._run.holder
        await self._parts.db.write(
            looping.checkpoint, iteration, fence=holder.fence, actor=actor_of(holder.worker_id)
        )
        return iteration

    async def _measured(
        self, outcome: Outcome, iteration: Iteration, place: Workspace, launching: Launching
    ) -> Outcome:
        self._tell(f"iteration {iteration.number} is measured")
        observations: dict[str, Any] = {}
        for path, one in self._criteria(place):
            if one.kind is CriterionKind.JUDGE:
                try:
                    used = added(outcome.usage, self._usage)
                    seen = await self._judge(one, iteration, launching, used)
                except JudgeRefusedError as error:
                    # The checkpoint stays: what is tried again is the measurement, not the agent.
                    return self._refused(error, one, outcome.usage)
            else:
                seen = await self._observe(path, one, launching)
            if self._run.stop.is_set():
                return Outcome(
                    kind=OutcomeKind.RELEASED, message="the swarm was stopped", usage=outcome.usage
                )
            observations[path] = seen
        measurement = {
            "tree": iteration.tree,
            "observations": observations,
            **await self._size(iteration),
        }
        self.trial = Trial(
            number=iteration.number,
            attempt=self._run.attempt.number,
            target=iteration.target,
            base_commit=iteration.base_commit,
            work_commit=iteration.work_commit,
            tree=iteration.tree,
            measurement=self._parts.redactor.value(measurement),
        )
        return replace(outcome, usage=added(outcome.usage, self._usage))

    def _refused(self, error: JudgeRefusedError, one: Criterion, usage: Usage | None) -> Outcome:
        judge = error.outcome
        self._usage = added(self._usage, judge.usage)
        if self._meter is not None:
            self._meter.blame(error.spec)
        return replace(
            judge,
            message=f"the judge `{one.agent}` can't work: {judge.message or judge.kind}",
            result_data=None,
            usage=added(usage, self._usage),
        )

    def _criteria(self, place: Workspace) -> list[tuple[str, Criterion]]:
        """What has to be run, by path."""
        spec = self._plan.spec
        if spec.until is not None:
            return [
                (path, one)
                for path, one in walk(spec.until)
                if one.argv or one.function or one.kind is CriterionKind.JUDGE
            ]
        gates = [
            (
                f"{GATE}{gate.name}",
                Criterion(
                    kind=CriterionKind.PASSES, argv=gate.argv, timeout_seconds=gate.timeout_seconds
                ),
            )
            for gate in self._parts.settings.gates_for(place.target)
        ]
        return [*gates, *([(JUDGE, spec.judge)] if spec.judge else [])]

    async def _size(self, iteration: Iteration) -> dict[str, Any]:
        base, work = iteration.base_commit, iteration.work_commit
        files = await self._parts.repository.changed_files(base, work)
        lines = sum((one.added or 0) + (one.removed or 0) for one in files)
        return {DIFF_LINES: lines, "files": len(files), "is_changed": bool(files)}

    async def _observe(self, path: str, one: Criterion, launching: Launching) -> dict[str, Any]:
        log = f"measure-{self._plan.number}-{_file_name(path)}.log"
        output: list[str] = []
        size = 0

        def take(line: str) -> None:
            nonlocal size
            if size < MAX_OUTPUT:
                output.append(line)
                size += len(line) + 1

        launch = self._readable(launching(self._command(one), log, one.timeout_seconds), one)
        try:
            end = await self._parts.processes.run(
                launch, on_started=lambda _: None, on_line=take, stop=self._run.stop
            )
        except AbathurError as error:
            return {"error": " ".join(str(error).split())}
        code = None if end.timed_out else end.code
        return observed(one, code, "\n".join(output), end.stderr_tail)

    def _readable(self, launch: Launch, one: Criterion) -> Launch:
        """Where it is confined, the function's file has to be let through."""
        if one.function is None or launch.confinement is None:
            return launch
        file = self._parts.folder / one.function.partition(":")[0]
        readable = (*launch.confinement.readable, file)
        return replace(launch, confinement=replace(launch.confinement, readable=readable))

    def _command(self, one: Criterion) -> Command:
        passed = self._parts.settings.swarm.pass_env
        if one.function is None:
            return Command(argv=one.argv, pass_env=passed)
        file, _, name = one.function.partition(":")
        argv = self._parts.function_argv(self._parts.folder / file, name)
        return Command(argv=argv, pass_env=passed)

    async def _judge(
        self, one: Criterion, iteration: Iteration, launching: Launching, used: Usage | None
    ) -> dict[str, Any]:
        judge = Judge(self._parts, self._run, launching, self._plan.usd_left)
        seen, usage = await judge.score(one, iteration, used)
        self._usage = added(self._usage, usage)
        return seen

    async def told(self) -> str | None:
        """What was measured and follows, once the report is applied; None without a measurement."""
        task_id, trial = self._run.task.id, self.trial
        if trial is None:
            return None
        history = await self._parts.db.read(lambda stores: stores.loops.iterations(task_id))
        one = next((one for one in history if one.number == trial.number), None)
        if one is None or one.reading is None or one.verdict is None:
            return None
        how = str(one.verdict.strategy).replace("_", " ")
        return f"iteration {one.number}: {one.reading.text}; goes on by {how}"

    def _tell(self, text: str) -> None:
        self._state.tell(
            SwarmEventKind.ITERATION,
            text,
            task=self._run.task,
            attempt=self._run.attempt.number,
        )


async def begin(parts: Parts, state: State, run: Run) -> Refining | None:
    """None for a task without a loop. Raises `DatabaseError`."""
    plan = await parts.db.read(looping.plan, run.task, run.attempt)
    if plan is None:
        return None
    if plan.usd_left is not None and plan.spec.judges:
        expected = await parts.db.read(looping.judges_usd, spending_rules(parts), plan.spec)
        # Never more than half: an estimate mustn't leave the agent nothing.
        plan = replace(plan, judges_usd=min(expected, plan.usd_left / 2))
    if plan.spec.candidates and not plan.is_settling:
        run.is_candidate = True
        state.ring_all()
    return Refining(parts, state, run, plan)


def _file_name(path: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in path)[:60]
