"""One attempt from claim to report. Whatever happens, it ends in a report or in salvaged work."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from signal import SIGKILL
from typing import Final

from abathur.domain.agents import Agent, AgentSpec, AgentState
from abathur.domain.continuing import Unfinished
from abathur.domain.errors import (
    AbathurError,
    AgentUnavailableError,
    BranchTakenError,
    ConfigError,
    DatabaseError,
    NotExecutableError,
    ProtectedTargetError,
    StaleFenceError,
    UnknownBranchError,
)
from abathur.domain.failures import FailureClass
from abathur.domain.outages import outage_in
from abathur.domain.run_specs import run_spec
from abathur.domain.runs import Attempt, Command, Exit, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.domain.silence import settings_of
from abathur.domain.tasks import TaskStatus
from abathur.ports.processes import Launch, ProcessId
from abathur.ports.runtimes import AgentRuntime
from abathur.services import running
from abathur.services.reports import Fate, SpooledReport
from abathur.services.running import Report
from abathur.swarm import approvals, continuing, handover, refining, workspace
from abathur.swarm.choosing import chosen
from abathur.swarm.ended import tell_end
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.evidence import Watch, Watched
from abathur.swarm.launching import BUSY_VARIABLE, Launcher
from abathur.swarm.meter import Meter
from abathur.swarm.own_check import own_check
from abathur.swarm.parts import Parts
from abathur.swarm.preparing import Preparing
from abathur.swarm.prompting import prompt_for
from abathur.swarm.recorder import Recorder
from abathur.swarm.refining import Refining
from abathur.swarm.repairing import Repair
from abathur.swarm.spool import Delivery, salvage
from abathur.swarm.state import Run, State, StopReason
from abathur.swarm.tool_server import ToolServer
from abathur.swarm.versions import version_event
from abathur.swarm.workspace import Workspace

CUT_OFF: Final = frozenset({OutcomeKind.RELEASED, OutcomeKind.CANCELLED})
"""Of a run that was ended from outside. Any other outcome is the agent's own, and is reported."""
ENDED_BY_WATCH: Final = frozenset({StopReason.TIMED_OUT, StopReason.SILENT})
BACKSTOP_SECONDS: Final = 120.0
"""After its time a run is ended in any case, should its watch be stuck."""
CLOSED_TARGET_SECONDS: Final = 30.0
"""Until a target is looked at again of which only git can tell whether it is there."""


class Worker:
    """Runs one attempt; `run` never raises for what can go wrong with an agent."""

    def __init__(self, parts: Parts, state: State, run: Run, tools: ToolServer) -> None:
        self._parts, self._state, self._run, self._tools = parts, state, run, tools
        self._attempt: Attempt = run.attempt
        self._workspace: Workspace | None = None
        self._launcher = Launcher(parts, state, run)
        self._meter = Meter(parts, state, run)
        self._preparing = Preparing(parts, state, run, self._meter)
        self._run_spec: RunSpec | None = None
        self._repair: Repair | None = None
        self._timeout = run.task.max_execution_timeout_seconds
        self._refining: Refining | None = None
        self._model_choice: str | None = None
        self._unstored: tuple[tuple[int, datetime, RunEvent], ...] = ()
        self._unfinished: Unfinished | None = None
        self._recorder: Recorder | None = None

    async def run(self) -> None:
        try:
            outcome = self._parts.redactor.outcome(await self._outcome())
        except asyncio.CancelledError:
            await asyncio.shield(self._salvage("interrupted"))
            raise
        home = self._run_spec.home if self._run_spec else None
        if self._refining is None or not self._refining.may_go_on:
            await continuing.drop_home(home, outcome)
        if self._run.reason is StopReason.LOST and outcome.kind in CUT_OFF:
            await self._end_lost(outcome)
            return
        await self._report(outcome, home)

    async def _end_lost(self, outcome: Outcome) -> None:
        """Cancelled, or somebody else has the task: nothing is reported, the work is kept."""
        await self._meter.correct(outcome)
        await self._salvage("it was cancelled or its lease was lost")
        with suppress(DatabaseError):
            await self._parts.db.write(
                running.add_events, self._run.task.id, self._run.attempt.number, self._unstored
            )
        number = self._run.attempt.number
        task_id = self._run.task.id
        task = await self._parts.db.read(lambda stores: stores.tasks.get(task_id))
        if task is not None and task.status is TaskStatus.CANCELLED:
            self._state.tally.cancelled += 1
            self._state.tell(
                SwarmEventKind.TASK_CANCELLED,
                task.error_message or "cancelled",
                task=task,
                attempt=number,
            )
        else:
            self._state.warn(f"attempt {number} lost its lease; its report isn't applied", task)

    async def _outcome(self) -> Outcome:
        try:
            return await self._execute()
        except StaleFenceError:
            self._run.end(StopReason.LOST)
            return Outcome(kind=OutcomeKind.CANCELLED)
        except DatabaseError as error:
            self._state.warn(f"the run is given up: {error}", self._run.task)
            return Outcome(kind=OutcomeKind.RELEASED, message=str(error))
        except (ProtectedTargetError, UnknownBranchError) as error:
            # Since it was claimed; it is claimed again when something can land there.
            return Outcome(
                kind=OutcomeKind.RELEASED,
                message=_one_line(error),
                retry_after_seconds=CLOSED_TARGET_SECONDS,
            )
        except (AgentUnavailableError, ConfigError, NotExecutableError) as error:
            return Outcome(
                kind=OutcomeKind.FAILED,
                message=_one_line(error),
                failure=FailureClass.CONFIGURATION,
            )
        except (AbathurError, OSError) as error:
            failed = Outcome(
                kind=OutcomeKind.FAILED, message=_one_line(error), failure=FailureClass.PROCESS
            )
            if self._recorder is not None:
                return failed
            return self._preparing.failed(failed, str(error).replace("; ", "\n"))
        except Exception as error:
            # A bug in one runtime, perhaps a third party's, must not take the swarm down.
            message = f"internal error: {type(error).__name__}: {_one_line(error)}"
            self._state.warn(message, self._run.task)
            return Outcome(kind=OutcomeKind.FAILED, message=message)

    async def _execute(self) -> Outcome:
        if self._run.stop.is_set():
            return self._stopped()
        self._refining = await refining.begin(self._parts, self._state, self._run)
        if self._refining is not None and self._refining.is_settling:
            return self._refining.settled()
        spec = self._parts.resolve_agent(self._run.task.agent_type)
        self._timeout = min(self._timeout, spec.settings.get("timeout", self._timeout))
        spec, self._model_choice = await chosen(self._parts, spec, self._attempt)
        if self._refining is not None:
            spec = self._refining.adapted(spec)
        await self._meter.begin(spec)
        if self._refining is not None:
            self._timeout = self._refining.limited(self._meter, self._timeout)
        runtime = self._parts.load_runtime(spec.runtime)
        begun = await continuing.unfinished(self._parts, self._run, runtime, spec.runtime)
        if begun is None and self._refining is not None:
            begun = await continuing.iterated(self._parts, self._run, runtime, spec)
        self._unfinished = begun
        self._meter.begin_behind(self._unfinished)
        place, command = await self._prepare(spec, runtime)
        self._workspace = place
        await self._parts.repository.add_worktree(place.path, place.branch, place.start)
        await self._launcher.confine(spec, place)
        try:
            if failed := await self._set_up(place):
                return failed
            await self._preparing.done()

            async def run_agent() -> Outcome:
                outcome = await self._run_agent(spec, runtime, command, place)
                if outcome.is_not_resumed and self._unfinished is not None:
                    outcome = await self._run_anew(spec, place)
                outcome = await self._handed_over(spec, outcome, place)
                outcome = continuing.of_this_run(outcome, self._unfinished)
                return await self._checked(spec, place, outcome)

            if self._refining is None:
                return await run_agent()
            return await self._refining.iterate(
                place,
                run_agent,
                lambda command, log, timeout: self._launcher.launch(command, place, log, timeout),
            )
        finally:
            # What an agent keeps for itself there may tell secrets.
            await asyncio.to_thread(shutil.rmtree, self._launcher.scratch, ignore_errors=True)

    async def _prepare(self, spec: AgentSpec, runtime: AgentRuntime) -> tuple[Workspace, Command]:
        """Choose the place and record it. Others choose too: a name that was taken is avoided."""
        taken: set[str] = set()
        while True:
            place = await workspace.plan_workspace(
                self._parts, self._run.task, self._run.attempt, taken, self._unfinished
            )
            run_spec = self._run_spec = await self._told(spec, place, runtime)
            self._launcher.home = run_spec.home
            command = runtime.command(run_spec)
            try:
                await self._record_start(spec, place, run_spec)
            except BranchTakenError:
                taken.add(place.branch)
            else:
                return place, command

    async def _told(
        self, spec: AgentSpec, place: Workspace, runtime: AgentRuntime, *, resumes: bool = True
    ) -> RunSpec:
        task, attempt, begun = self._run.task, self._run.attempt, self._unfinished
        resume = begun.session_id if begun and resumes else None
        scratch = self._launcher.scratch
        scratch.mkdir(parents=True, exist_ok=True)
        handover.schema_of(self._parts, spec)  # a broken one is told before anything is spent
        return run_spec(
            spec,
            Path(self._parts.repository.root),
            task_id=task.id,
            attempt=attempt.number,
            prompt=await prompt_for(
                self._parts, task, spec, place.target, attempt.number, begun.why if begun else ""
            ),
            mcp_servers=await self._tools.entries(self._run, spec),
            worktree=place.path,
            scratch=scratch,
            home=continuing.home_for(self._parts, runtime, place.path),
            session_id=resume or self._parts.new_id(),
            resume=resume,
            input_data=task.input_data,
            allowed=approvals.allowed(self._run.attempt),
            budget_usd=self._meter.told_usd,
        )

    async def _record_start(self, spec: AgentSpec, place: Workspace, run_spec: RunSpec) -> None:
        """Before anything is made on disk, so that whoever comes after a crash knows of it."""
        facts = {
            "runtime": spec.runtime,
            "model": spec.model,
            "model_choice": self._model_choice,
            "definition_version": spec.definition_version,
            "session_id": run_spec.session_id,
            "branch": place.branch,
            "worktree_path": str(place.path),
            "base_commit": place.base,
            "transcript_path": str(self._launcher.folder / "transcript.jsonl"),
        }
        now = self._parts.clock.now()
        agent = Agent(
            id=self._parts.new_id(),
            name=f"{spec.agent_type}-{self._run.attempt.number}",
            agent_type=spec.agent_type,
            task_id=self._run.task.id,
            state=AgentState.BUSY,
            model=spec.model or spec.runtime,
            spawned_at=now,
        )
        await self._parts.db.write(running.start, self._run.holder, agent, now, **facts)
        self._attempt = replace(self._run.attempt, **facts)  # type: ignore[arg-type]
        verb = "starts" if self._unfinished is None else "goes on with its session"
        self._state.tell(
            SwarmEventKind.AGENT_STARTED,
            f"{spec.runtime} {verb} on {place.branch}",
            task=self._run.task,
            attempt=self._run.attempt.number,
        )

    async def _run_anew(self, spec: AgentSpec, place: Workspace) -> Outcome:
        """Once, with a session of its own, where the program wouldn't go on with the other."""
        # A runtime of its own, for one may count over a run.
        runtime = self._parts.load_runtime(spec.runtime)
        self._run_spec = await self._told(spec, place, runtime, resumes=False)
        self._launcher.home = self._run_spec.home
        self._unfinished = None
        self._meter.begin_behind(None)
        session = self._run_spec.session_id
        await self._parts.db.write(running.add_session, self._run.holder, session)
        return await self._run_agent(spec, runtime, runtime.command(self._run_spec), place)

    async def _handed_over(self, spec: AgentSpec, outcome: Outcome, place: Workspace) -> Outcome:
        repair = self._repair
        assert repair is not None
        passed = self._parts.settings.swarm.pass_env

        def launching(command: Command, log: str, timeout: float) -> Launch:
            whole = replace(command, pass_env=(*command.pass_env, *passed))
            return self._launcher.launch(whole, place, log, timeout)

        repair.launching = launching
        try:
            return await handover.settled(self._parts, self._run, spec, outcome, repair.ask)
        finally:
            self._unstored = repair.unstored()

    async def _checked(self, spec: AgentSpec, place: Workspace, outcome: Outcome) -> Outcome:
        """A success that the agent type's own check refuses is none."""
        check = own_check(spec)
        if check is None or outcome.kind is not OutcomeKind.SUCCEEDED:
            return outcome
        failed = self._failure("verify", await self._launcher.run("verify", check, place))
        if failed is None:
            return outcome
        return replace(outcome, kind=failed.kind, message=failed.message, failure=failed.failure)

    async def _set_up(self, place: Workspace) -> Outcome | None:
        """None when it succeeds."""
        setup = self._parts.settings.setup
        if setup is None:
            return None
        end = await self._launcher.run("set-up", setup, place)
        outage = outage_in(f"{end.stdout_tail}\n{end.stderr_tail}")
        if outage is not None:  # its line tells more than the last one
            end = replace(end, stderr_tail=outage.line)
        failed = self._failure("set-up", end)
        return None if failed is None else self._preparing.failed(failed, end.stderr_tail)

    def _failure(self, name: str, end: Exit) -> Outcome | None:
        """Of a command of the project's; None when it succeeded."""
        if end.code == 0:
            return None
        if end.stopped:
            return self._stopped()
        tail = end.stderr_tail.strip().splitlines()
        why = "timed out" if end.timed_out else f"ended with code {end.code}"
        return Outcome(
            kind=OutcomeKind.FAILED,
            message=f"the {name} command {why}{': ' + tail[-1] if tail else ''}",
        )

    async def _run_agent(
        self, spec: AgentSpec, runtime: AgentRuntime, command: Command, place: Workspace
    ) -> Outcome:
        recorder = self._recorder = Recorder(
            self._parts, self._state, self._run, runtime, self._meter, self._recorder
        )
        silence = settings_of(
            self._parts.settings.silence, spec.agent_type, spec.settings.get("silence")
        )
        passed = (*command.pass_env, *self._parts.settings.swarm.pass_env)
        timeout = self._timeout + BACKSTOP_SECONDS
        launch = self._launcher.launch(
            replace(command, pass_env=passed), place, "transcript.jsonl", timeout
        )
        beside = [asyncio.create_task(recorder.keep_flushing())]
        started: list[asyncio.Task[None]] = []

        def on_started(process: ProcessId) -> None:
            started.append(asyncio.create_task(self._record_process(process)))
            started.append(asyncio.create_task(self._record_version(spec, command, recorder)))
            watch = Watch(self._parts, self._state, self._run, recorder, watched(process))
            beside.append(asyncio.create_task(watch.loop()))

        def watched(process: ProcessId) -> Watched:
            return Watched(
                worktree=place.path,
                base=place.base,
                declaration=Path(launch.env[BUSY_VARIABLE]),
                timeout_seconds=self._timeout,
                silence=silence,
                leader=process,
            )

        try:
            end = await self._parts.processes.run(
                launch, on_started=on_started, on_line=recorder.take_line, stop=self._run.stop
            )
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, *started, return_exceptions=True)
        await self._meter.settle()
        await recorder.store_session()
        self._unstored = recorder.unstored()
        assert self._run_spec is not None
        self._repair = Repair(self._parts, self._run, spec.runtime, self._run_spec, recorder)
        return self._verdict(runtime, recorder, end)

    async def _record_version(self, spec: AgentSpec, command: Command, recorder: Recorder) -> None:
        folder = self._launcher.folder
        event = await version_event(self._parts, self._state, spec.runtime, command, folder)
        if event is not None:
            recorder.take(event)

    async def _record_process(self, process: ProcessId) -> None:
        with suppress(StaleFenceError):
            await self._parts.db.write(
                running.add_process, self._run.holder, process.pid, process.started_at
            )

    def _verdict(self, runtime: AgentRuntime, recorder: Recorder, end: Exit) -> Outcome:
        if end.stopped and self._run.reason in ENDED_BY_WATCH:
            end = replace(end, stopped=False, timed_out=True)
        outcome = runtime.outcome(end, recorder.events())
        # Who gives no grace may have killed it before the runner saw that it was to stop.
        was_killed = self._run.reason is StopReason.RELEASED and end.code == -SIGKILL
        if end.stopped or was_killed:
            return self._meter.stopped(outcome.usage)
        if outcome.kind is OutcomeKind.CANCELLED:
            # Nobody here asked for it, so it is the agent's own doing.
            return replace(outcome, kind=OutcomeKind.FAILED, failure=FailureClass.PROCESS)
        if end.timed_out and outcome.kind is not OutcomeKind.SUCCEEDED:
            if self._run.reason is StopReason.SILENT:
                why = recorder.silent(self._run.why, end.stderr_tail)
                return replace(outcome, kind=OutcomeKind.SILENT, message=why)
            return replace(
                outcome, kind=OutcomeKind.TIMED_OUT, message=f"timed out after {self._timeout} s"
            )
        return outcome

    def _stopped(self) -> Outcome:
        return self._meter.stopped(None)

    async def _report(self, outcome: Outcome, home: Path | None) -> None:
        trial = self._refining.trial if self._refining else None
        spooled = SpooledReport(
            holder=self._run.holder,
            ended_at=self._parts.clock.now(),
            report=Report(
                outcome=outcome,
                base_commit=self._workspace.base if self._workspace else None,
                target=self._workspace.target if self._workspace else None,
                landing_id=self._parts.new_id(),
                chance=self._parts.chance(),
                head_commit=trial.work_commit if trial else None,
                trial=trial,
            ),
            start=self._workspace.start if self._workspace else None,
            events=self._unstored,
        )
        spooled = replace(spooled, report=self._meter.completed(spooled.report))
        delivery = Delivery(self._parts, self._state)
        found, report = await delivery.send(self._run, self._attempt, spooled)
        if found.task is None or found.fate is not Fate.APPLIED:
            await self._end_lost(outcome)
        else:
            told = await self._refining.told() if self._refining else None
            if found.task.status is not TaskStatus.READY:
                await continuing.drop_home(home, outcome)
            number = self._run.attempt.number
            tell_end(self._state, number, report.outcome, found.task, told)
            await approvals.tell_asked(self._parts, self._state, report.asking, found.task)
            await self._preparing.call()

    async def _salvage(self, why: str) -> None:
        """Keep what was made and clear the place. Never raises: what can't be kept stays put."""
        try:
            await salvage(self._parts, self._state, self._run.task, self._attempt, why)
        except DatabaseError as error:
            self._state.warn(f"the worktree is left as it is: {error}", self._run.task)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
