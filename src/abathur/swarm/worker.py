"""One attempt from claim to report. Whatever happens, it ends in a report or in salvaged work."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import Final

from abathur.domain.agents import Agent, AgentSpec, AgentState
from abathur.domain.briefing import briefing
from abathur.domain.errors import AbathurError, BranchTakenError, DatabaseError, StaleFenceError
from abathur.domain.runs import Attempt, Command, Exit, Outcome, OutcomeKind, RunSpec
from abathur.domain.settings import CommandSetting
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.processes import Launch, ProcessId
from abathur.ports.runtimes import AgentRuntime
from abathur.services import running
from abathur.services.running import Report
from abathur.swarm import workspace
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import RUN_TAG, WORKER_TAG, Parts
from abathur.swarm.recorder import Recorder
from abathur.swarm.state import Run, State, StopReason
from abathur.swarm.workspace import Workspace

REPORT_PAUSE_SECONDS: Final = 2.0
PLAIN_RUNTIMES: Final = frozenset({"command", "fake"})
"""Programs that get the prompt as it was typed: they may take it for a script."""


class Worker:
    """Runs one attempt; `run` never raises for what can go wrong with an agent."""

    def __init__(self, parts: Parts, state: State, run: Run) -> None:
        self._parts, self._state, self._run = parts, state, run
        self._attempt: Attempt = run.attempt
        self._workspace: Workspace | None = None
        self._head: str | None = None

    async def run(self) -> None:
        try:
            outcome = await self._outcome()
        except asyncio.CancelledError:
            await asyncio.shield(self._salvage("interrupted"))
            raise
        if self._run.reason is StopReason.LOST:
            await self._end_lost()
            return
        try:
            await self._report(outcome)
        except StaleFenceError:
            await self._end_lost()

    async def _end_lost(self) -> None:
        """Cancelled, or somebody else has the task: nothing is reported, the work is kept."""
        await self._salvage("it was cancelled or its lease was lost")
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
            self._state.warn(f"attempt {number} lost its lease; its report isn't taken", task)

    async def _outcome(self) -> Outcome:
        try:
            return await self._execute()
        except StaleFenceError:
            self._run.end(StopReason.LOST)
            return Outcome(kind=OutcomeKind.CANCELLED)
        except DatabaseError as error:
            self._state.warn(f"the run is given up: {error}", self._run.task)
            return Outcome(kind=OutcomeKind.RELEASED, message=str(error))
        except (AbathurError, OSError) as error:
            return Outcome(kind=OutcomeKind.FAILED, message=_one_line(error))
        except Exception as error:
            # A bug in one runtime, perhaps a third party's, must not take the swarm down.
            message = f"internal error: {type(error).__name__}: {_one_line(error)}"
            self._state.warn(message, self._run.task)
            return Outcome(kind=OutcomeKind.FAILED, message=message)

    async def _execute(self) -> Outcome:
        if self._run.stop.is_set():
            return self._stopped()
        spec = self._parts.resolve_agent(self._run.task.agent_type)
        runtime = self._parts.load_runtime(spec.runtime)
        place, command = await self._prepare(spec, runtime)
        self._workspace = place
        await self._parts.repository.add_worktree(place.path, place.branch, place.start)
        failed = await self._set_up(place)
        if failed is not None:
            return failed
        return await self._run_agent(runtime, command, place)

    async def _prepare(self, spec: AgentSpec, runtime: AgentRuntime) -> tuple[Workspace, Command]:
        """Choose the place and record it. Others choose too: a name that was taken is avoided."""
        taken: set[str] = set()
        while True:
            place = await workspace.plan_workspace(
                self._parts, self._run.task, self._run.attempt, taken
            )
            run_spec = await self._run_spec(spec, place)
            command = runtime.command(run_spec)
            try:
                await self._record_start(spec, place, run_spec)
            except BranchTakenError:
                taken.add(place.branch)
            else:
                return place, command

    async def _run_spec(self, spec: AgentSpec, place: Workspace) -> RunSpec:
        task, attempt = self._run.task, self._run.attempt
        folder = self._parts.run_folder(task.id, attempt.number)
        scratch = folder / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return RunSpec(
            task_id=task.id,
            attempt=attempt.number,
            agent_type=task.agent_type,
            prompt=await self._prompt(spec, place),
            system_prompt=spec.system_prompt,
            model=spec.model,
            tools=spec.tools,
            worktree=place.path,
            scratch=scratch,
            session_id=self._parts.new_id(),
            input_data=task.input_data,
            settings=spec.settings,
        )

    async def _prompt(self, spec: AgentSpec, place: Workspace) -> str:
        task = self._run.task
        if not spec.settings.get("briefing", spec.runtime not in PLAIN_RUNTIMES):
            return task.prompt
        before = await self._parts.db.read(
            lambda stores: stores.tasks.get_many(_prerequisites(stores.tasks.get(task.id)))
        )
        return briefing(
            task,
            target=place.target,
            feedback=self._run.attempt.feedback,
            prerequisites=before,
        )

    async def _record_start(self, spec: AgentSpec, place: Workspace, run_spec: RunSpec) -> None:
        """Before anything is made on disk, so that whoever comes after a crash knows of it."""
        folder = self._parts.run_folder(self._run.task.id, self._run.attempt.number)
        facts = {
            "runtime": spec.runtime,
            "model": spec.model,
            "session_id": run_spec.session_id,
            "branch": place.branch,
            "worktree_path": str(place.path),
            "base_commit": place.base,
            "transcript_path": str(folder / "transcript.jsonl"),
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
        self._state.tell(
            SwarmEventKind.AGENT_STARTED,
            f"{spec.runtime} starts on {place.branch}",
            task=self._run.task,
            attempt=self._run.attempt.number,
        )

    async def _set_up(self, place: Workspace) -> Outcome | None:
        setup = self._parts.settings.setup
        if setup is None:
            return None
        end = await self._parts.processes.run(
            self._launch(self._project_command(setup), place, "setup.log", setup.timeout_seconds),
            on_started=lambda _: None,
            on_line=lambda _: None,
            stop=self._run.stop,
        )
        if end.code == 0:
            return None
        if end.stopped:
            return self._stopped()
        tail = end.stderr_tail.strip().splitlines()
        why = "timed out" if end.timed_out else f"ended with code {end.code}"
        return Outcome(
            kind=OutcomeKind.FAILED,
            message=f"the set-up command {why}{': ' + tail[-1] if tail else ''}",
        )

    def _project_command(self, setting: CommandSetting) -> Command:
        return Command(argv=setting.argv, pass_env=self._parts.settings.swarm.pass_env)

    def _launch(self, command: Command, place: Workspace, log: str, timeout: float) -> Launch:
        task, number = self._run.task, self._run.attempt.number
        folder = self._parts.run_folder(task.id, number)
        return Launch(
            command=command,
            cwd=place.path,
            transcript=folder / log,
            tags={WORKER_TAG: self._state.worker_id, RUN_TAG: f"{task.id}/{number}"},
            env={
                "ABATHUR_TASK_ID": task.id,
                "ABATHUR_ATTEMPT": str(number),
                "ABATHUR_TARGET": place.target,
                "ABATHUR_FACTS": str(self._write_facts(place)),
                "TMPDIR": str(folder / "scratch"),
            },
            timeout_seconds=timeout,
            grace_seconds=self._parts.settings.swarm.grace_seconds,
        )

    def _write_facts(self, place: Workspace) -> object:
        """Task, input and feedback as a JSON file, for agents that aren't language models."""
        task, attempt = self._run.task, self._run.attempt
        path = self._parts.run_folder(task.id, attempt.number) / "facts.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = {
            "task_id": task.id,
            "attempt": attempt.number,
            "summary": task.summary,
            "prompt": task.prompt,
            "input_data": dict(task.input_data),
            "target": place.target,
            "feedback": dict(attempt.feedback) if attempt.feedback else None,
        }
        path.write_text(json.dumps(facts, ensure_ascii=False, indent=2), encoding="utf-8")
        return path

    async def _run_agent(
        self, runtime: AgentRuntime, command: Command, place: Workspace
    ) -> Outcome:
        recorder = Recorder(self._parts, self._state, self._run, runtime)
        passed = (*command.pass_env, *self._parts.settings.swarm.pass_env)
        timeout = self._run.task.max_execution_timeout_seconds
        flushing = asyncio.create_task(recorder.keep_flushing())
        started: list[asyncio.Task[None]] = []
        try:
            end = await self._parts.processes.run(
                self._launch(replace(command, pass_env=passed), place, "transcript.jsonl", timeout),
                on_started=lambda process: started.append(
                    asyncio.create_task(self._record_process(process))
                ),
                on_line=recorder.take_line,
                stop=self._run.stop,
            )
        finally:
            flushing.cancel()
            await asyncio.gather(flushing, *started, return_exceptions=True)
        await recorder.flush_if_possible()
        outcome = self._verdict(runtime, recorder, end)
        if outcome.kind is OutcomeKind.SUCCEEDED:
            unfinished = await self._parts.repository.unfinished(place.path)
            if unfinished is not None:
                # What is in the middle of something isn't what the agent wanted to hand in.
                message = f"the agent ended in the middle of {unfinished}; nothing of it lands"
                return replace(outcome, kind=OutcomeKind.FAILED, message=message)
            message = f"{self._run.task.summary}\n\nLeft by the agent uncommitted."
            self._head = await self._parts.repository.commit_leftovers(place.path, message)
        return outcome

    async def _record_process(self, process: ProcessId) -> None:
        with suppress(StaleFenceError):
            await self._parts.db.write(
                running.add_process, self._run.holder, process.pid, process.started_at
            )

    def _verdict(self, runtime: AgentRuntime, recorder: Recorder, end: Exit) -> Outcome:
        if end.stopped:
            return self._stopped()
        outcome = runtime.outcome(end, recorder.events())
        if outcome.kind is OutcomeKind.CANCELLED:
            # Nobody here asked for it, so it is the agent's own doing.
            return replace(outcome, kind=OutcomeKind.FAILED)
        if end.timed_out and outcome.kind is not OutcomeKind.SUCCEEDED:
            seconds = self._run.task.max_execution_timeout_seconds
            return replace(
                outcome, kind=OutcomeKind.TIMED_OUT, message=f"timed out after {seconds} s"
            )
        return outcome

    def _stopped(self) -> Outcome:
        return Outcome(kind=OutcomeKind.RELEASED, message="the swarm was stopped")

    async def _report(self, outcome: Outcome) -> None:
        if outcome.kind is not OutcomeKind.SUCCEEDED:
            await self._salvage(outcome.message or outcome.kind)
        report = Report(
            outcome=outcome,
            base_commit=self._workspace.base if self._workspace else None,
            head_commit=self._head,
            target=self._workspace.target if self._workspace else None,
            landing_id=self._parts.new_id(),
            chance=self._parts.chance(),
        )
        self._tell_end(outcome, await self._written(report))

    async def _written(self, report: Report) -> Task:
        """Write the report, as often as it takes: a disk that is full now may have room later.

        Another worker can only get the task once our lease is over, and then this ends with
        `StaleFenceError`.
        """
        while True:
            try:
                return await self._parts.db.write(
                    running.report,
                    self._run.holder,
                    report,
                    self._parts.policy,
                    self._parts.clock.now(),
                )
            except DatabaseError as error:
                self._state.warn(f"the report waits for the database: {error}", self._run.task)
                if self._state.stop_now.is_set():
                    raise
                await self._parts.clock.sleep(REPORT_PAUSE_SECONDS)

    def _tell_end(self, outcome: Outcome, task: Task) -> None:
        number = self._run.attempt.number
        text = outcome.message or outcome.kind.value
        self._state.tell(SwarmEventKind.ATTEMPT_ENDED, text, task=task, attempt=number)
        if task.status is TaskStatus.FAILED:
            self._state.tally.failed += 1
            self._state.tell(SwarmEventKind.TASK_FAILED, text, task=task, attempt=number)
        elif task.status in {TaskStatus.PENDING, TaskStatus.READY}:
            when = f" at {task.not_before:%H:%M:%S}" if task.not_before else ""
            self._state.tell(
                SwarmEventKind.TASK_WAITS, f"will be tried again{when}", task=task, attempt=number
            )

    async def _salvage(self, why: str) -> None:
        """Keep what was made and clear the place. Never raises: what can't be kept stays put."""
        if self._workspace is None:
            return
        try:
            message = f"{self._run.task.summary}\n\nUnfinished: {why}."
            ref = await workspace.give_up(self._parts, self._attempt, message)
        except (AbathurError, OSError) as error:
            self._state.warn(f"the worktree is left as it is: {error}", self._run.task)
            return
        if ref is not None:
            self._state.tell(
                SwarmEventKind.WORK_SALVAGED, f"unfinished work kept at {ref}", task=self._run.task
            )


def _prerequisites(task: Task | None) -> tuple[str, ...]:
    return task.prerequisites if task else ()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
