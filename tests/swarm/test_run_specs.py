"""What a worker tells the runtime of a run."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from abathur.domain.failures import FailureClass
from abathur.domain.runs import Command, RunSpec
from abathur.infrastructure.runtimes.fake import FakeRuntime
from abathur.swarm.supervisor import Supervisor


@dataclass
class Listening(FakeRuntime):
    """A scripted agent's runtime that keeps what it is told."""

    told: list[RunSpec] = field(default_factory=list)

    def command(self, spec: RunSpec) -> Command:
        self.told.append(spec)
        return super().command(spec)


async def test_the_agent_types_section_reaches_the_runtime(world: Any) -> None:
    world.configure(
        runtimes={"fake": {"effort": "low", "max_turns": 30}},
        agents={"general": {"effort": "high", "denied_tools": ["Bash"], "add_dirs": ["../lib"]}},
    )
    await world.submit("Do it", [{"say": "done"}])
    runtime = Listening()
    parts = replace((await world.supervisor())._parts, load_runtime=lambda _name: runtime)
    await Supervisor(parts, world.events.append).run(until_idle=True)
    told = runtime.told[-1]
    assert (told.effort, told.denied_tools, told.max_turns) == ("high", ("Bash",), 30)
    assert told.add_dirs == (Path(world.root) / "../lib",)


async def test_a_wrong_section_asks_a_person_and_spends_no_retry(world: Any) -> None:
    world.configure(runtimes={"fake": {"max_turns": "many"}})
    task = await world.submit("Do it", [{"say": "done"}])
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert "agent type `general`: max_turns: a whole number" in attempt.error_message
    assert attempt.failure_class is FailureClass.CONFIGURATION
    assert (await world.task(task)).retry_count == 0


async def test_a_program_that_does_not_count_turns_is_ended_after_so_many_uses_of_tools(
    world: Any,
) -> None:
    world.configure(agents={"general": {"max_turns": 2}})
    edits = [{"write": {"path": f"{n}.txt", "text": "x\n"}} for n in range(3)]
    within = await world.submit("Within", edits[:2])
    beyond = await world.submit("Beyond", [*edits, {"hang": True}], max_retries=0)
    await world.run_until_idle()
    assert (await world.attempts(within))[0].outcome == "succeeded"
    (attempt,) = await world.attempts(beyond)
    assert attempt.outcome == "failed"
    assert attempt.error_message == "stopped after 2 uses of tools; raise max_turns"
    assert attempt.failure_class is FailureClass.AGENT
