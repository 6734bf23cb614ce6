"""Results of agents: what they say about themselves counts, and what can't be read is asked for."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.domain.results import ResultCheck, ResultOrigin
from abathur.domain.runs import Command, Exit, Outcome, RunEvent, RunSpec
from abathur.infrastructure.runtimes import load_runtime
from abathur.swarm.handover import read
from abathur.swarm.parts import Parts

SCHEMA = {
    "required": ["execution_status", "deliverables"],
    "properties": {"deliverables": {"required": ["plan"]}},
}
GOOD = {"execution_status": {"status": "SUCCESS"}, "deliverables": {"plan": "three steps"}}
WRITE = {"write": {"path": "a.txt", "text": "a\n"}}


def says(*texts: str) -> dict[str, Any]:
    """A program that gives these answers, one a run, and keeps what it was told."""
    folder = "$(dirname $ABATHUR_FACTS)/asked"
    lines = [f"mkdir -p {folder}; n=$(ls {folder} | wc -l); cat > {folder}/$n; echo $n > runs.txt"]
    for number, text in enumerate(texts):
        lines.append(f"if [ $n = {number} ]; then cat <<'END'\n{text}\nEND\nfi")
    argv = ["sh", "-c", "\n".join(lines)]
    return {"runtime": "command", "argv": argv, "briefing": True}


async def planned(world: Any, *texts: str, schema: Any = SCHEMA, **fields: Any) -> Any:
    settings = says(*texts)
    if schema:
        settings["result_schema"] = schema
    world.configure(agents={"planner": settings})
    task = await world.submit("Plan it", agent_type="planner", max_retries=0, **fields)
    await world.run_until_idle()
    return task


def asked(world: Any, task: Any) -> list[str]:
    folder = Path(world.root, ".abathur", "runs", task.id, "1", "asked")
    return [file.read_text() for file in sorted(folder.iterdir())]


async def test_a_valid_result_is_kept_and_asked_for_only_once(world: Any) -> None:
    task = await planned(world, json.dumps(GOOD))
    (attempt,) = await world.attempts(task)
    assert attempt.result.check is ResultCheck.VALID
    assert (await world.task(task)).result_data == GOOD
    assert len(asked(world, task)) == 1


async def test_what_breaks_the_schema_is_asked_for_once_more(world: Any) -> None:
    bad = {"execution_status": {"status": "SUCCESS"}, "deliverables": {}}
    task = await planned(world, json.dumps(bad), json.dumps(GOOD))
    (attempt,) = await world.attempts(task)
    assert (attempt.result.origin, attempt.result.check) == (
        ResultOrigin.REPAIR,
        ResultCheck.VALID,
    )
    assert (await world.task(task)).result_data == GOOD
    first, second = asked(world, task)
    assert "deliverables: it must contain ['plan'] properties" in second
    assert '"deliverables": {}' in second
    assert second != first
    await world.assert_sound()


async def test_what_stays_unreadable_is_kept_as_it_was_given_and_marked(world: Any) -> None:
    odd = {"execution_status": {"status": "MAYBE"}, "deliverables": {"plan": "größe"}}
    task = await planned(world, json.dumps(odd), "still words", "never asked")
    (attempt,) = await world.attempts(task)
    assert attempt.outcome == "succeeded"
    assert attempt.result.check is ResultCheck.INVALID
    assert attempt.result.problem.startswith("execution_status.status: one of SUCCESS, PARTIAL")
    assert attempt.result.content == odd
    assert (await world.task(task)).result_data == odd
    assert len(asked(world, task)) == 2


class Forgetful:
    """A runtime whose program goes on with no session."""

    name = "forgetful"

    def __init__(self) -> None:
        self.real = load_runtime("command")
        self.is_resumed = False
        self.resumed: list[str | None] = []

    def command(self, spec: RunSpec) -> Command:
        self.is_resumed = spec.resume is not None
        self.resumed.append(spec.resume)
        if self.is_resumed:
            return Command(argv=("sh", "-c", "echo no such session >&2; exit 1"))
        return self.real.command(spec)

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return self.real.parse(line)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        found = self.real.outcome(end, events)
        return replace(found, is_not_resumed=self.is_resumed)


async def test_where_no_session_is_gone_on_with_a_fresh_run_is_asked_once(world: Any) -> None:
    odd = {"execution_status": {"status": "MAYBE"}}
    world.configure(agents={"planner": {**says(json.dumps(odd), json.dumps(GOOD))}})
    task = await world.submit("Plan it", agent_type="planner", max_retries=0)
    runtime = Forgetful()

    def into(parts: Parts) -> Parts:
        return replace(parts, load_runtime=lambda _: runtime)

    project = bootstrap.load_project(world.root)
    swarm = await supervision.build_supervisor(project, world.db, world.events.append, into=into)
    await swarm.run(until_idle=True)
    (attempt,) = await world.attempts(task)
    assert attempt.result.origin is ResultOrigin.REPAIR
    assert [one is not None for one in runtime.resumed] == [False, True, False]
    assert runtime.resumed[1] == attempt.session_id


async def test_words_alone_do_not_meet_a_schema(world: Any) -> None:
    task = await planned(world, "a plan in words", "still words")
    (attempt,) = await world.attempts(task)
    assert attempt.result.problem == "there was no result"
    words = read({"text": "a plan"}, ResultOrigin.TEXT, lambda _: None)
    assert (words.check, words.problem) == (ResultCheck.INVALID, "it is no JSON object")
    assert read({"text": "a plan"}, ResultOrigin.TEXT, None).check is ResultCheck.UNCHECKED


async def test_a_result_that_is_too_long_is_cut_and_marked(world: Any) -> None:
    long = read({"deliverables": {"text": "x" * 300_000}}, ResultOrigin.TEXT, None)
    assert long.check is ResultCheck.INVALID
    assert len(str(long.content)) < 30_000


async def test_an_agent_that_reports_failure_has_failed(world: Any) -> None:
    said = {"execution_status": {"status": "FAILURE", "message": "no such page"}}
    task = await planned(world, json.dumps(said), schema=None)
    (attempt,) = await world.attempts(task)
    assert (attempt.outcome, attempt.failure_class) == ("failed", "agent")
    assert attempt.error_message == "the agent reports that it failed: no such page"
    assert attempt.result.content == said
    assert (await world.task(task)).status == "failed"
    assert attempt.salvage_ref is not None


async def test_partial_work_lands_and_says_so(world: Any) -> None:
    said = {"execution_status": {"status": "PARTIAL"}, "deliverables": {"left": ["tests"]}}
    task = await planned(world, json.dumps(said), schema=None)
    assert (await world.task(task)).status == "completed"
    (attempt,) = await world.attempts(task)
    assert attempt.result.status == "PARTIAL"


async def test_a_script_that_was_not_told_how_to_report_is_not_asked(world: Any) -> None:
    odd = [WRITE, {"result": {"execution_status": {"status": "fine"}}}]
    task = await world.submit("Do it", odd)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert attempt.result.check is ResultCheck.INVALID
    assert (await world.task(task)).status == "completed"


async def test_a_schema_that_is_none_is_told_before_anything_is_spent(world: Any) -> None:
    task = await planned(world, json.dumps(GOOD), schema={"type": 5})
    (attempt,) = await world.attempts(task)
    assert attempt.failure_class == "configuration"
    assert "it is no usable JSON schema" in attempt.error_message
    assert not Path(world.root, ".abathur", "runs", task.id, "1", "asked").exists()


async def test_secrets_are_taken_out_of_results(world: Any) -> None:
    key = "sk-ant-api03-" + "a1B2" * 20
    task = await planned(world, json.dumps({**GOOD, "note": key}))
    (attempt,) = await world.attempts(task)
    assert key not in str(attempt.result.content)
