"""What an agent definition says holds for the runs of its agent type."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abathur import bootstrap
from abathur.bootstrap.prompting import prompt_of
from abathur.domain.errors import ConfigError
from abathur.domain.failures import FailureClass
from abathur.infrastructure.definitions import read_definitions

WRITE = [{"write": {"path": "a.txt", "text": "a\n"}}]


def define(world: Any, front: str) -> None:
    file = Path(world.root, ".abathur", "agents", "smith.md")
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"---\nname: smith\n{front}\n---\nYou forge.\n")


async def test_an_attempt_says_which_version_of_its_definition_it_ran_with(world: Any) -> None:
    define(world, "runtime: fake")
    task = await world.submit("Forge", WRITE, agent_type="smith")
    other = await world.submit("Plain", WRITE)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    version = read_definitions(world.root).by_name["smith"].version
    assert version is not None
    assert attempt.definition_version == version
    assert (await world.attempts(other))[0].definition_version is None


async def test_its_timeout_ends_a_run_before_that_of_the_task(world: Any) -> None:
    define(world, "limits: {timeout: 1s}")
    task = await world.submit("Forge", [{"hang": True}], agent_type="smith", max_retries=0)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert (attempt.outcome, attempt.error_message) == ("timed_out", "timed out after 1 s")


async def test_its_budget_ends_a_run_that_spends_more(world: Any) -> None:
    define(world, "budget: 0.5")
    spend = [{"usage": {"cost_usd": 0.75}}, {"hang": True}]
    task = await world.submit("Forge", spend, agent_type="smith", max_retries=0)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert attempt.failure_class is FailureClass.BUDGET


async def test_its_own_check_refuses_what_the_agent_calls_done(world: Any) -> None:
    define(world, "verify: 'grep -q good a.txt || { echo not good >&2; exit 1; }'")
    script = {"1": WRITE, "*": [{"write": {"path": "a.txt", "text": "good\n"}}]}
    task = await world.submit("Forge", script, agent_type="smith")
    result = await world.run_until_idle()
    assert result.completed == 1
    first, second = await world.attempts(task)
    assert (first.outcome, second.outcome) == ("failed", "succeeded")
    assert first.error_message == "the verify command ended with code 1: not good"
    assert world.file("a.txt") == "good"
    await world.assert_sound()


def template(world: Any, name: str, text: str) -> None:
    folder = Path(world.root, ".abathur", "templates")
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


async def test_an_agent_is_told_what_its_prompt_command_prints_and_what_came_before(
    world: Any,
) -> None:
    told = {"runtime": "command", "argv": ["sh", "-c", "cat > told"], "briefing": True}
    world.configure(agents={"scribe": told})
    template(world, "rules.md.j2", "# House rules\n\nBe brief on {{ target }}.\n")
    plan = [{"result": {"deliverables": {"plan": "three steps"}}}]
    before = await world.submit("Plan it", plan)
    task = await world.submit("Do it", agent_type="scribe", prerequisites=(before.id,))
    await world.run_until_idle(task_limit=1)
    project, now = bootstrap.load_project(world.root), datetime.now(UTC)
    shown = await prompt_of(project, world.db, task.id, now)
    await world.run_until_idle()
    assert world.file("told") == shown.prompt.strip()
    assert '"plan": "three steps"' in shown.prompt
    assert "# House rules\n\nBe brief on main." in shown.prompt
    assert shown.own_templates == [".abathur/templates/rules.md.j2"]


async def test_a_template_that_fails_at_its_task_asks_a_person_and_fails_no_task(
    world: Any,
) -> None:
    world.configure(agents={"scribe": {"runtime": "fake", "briefing": True}})
    template(world, "rules.md.j2", "one\n{{ nothing.of_that }}\n")
    task = await world.submit("Do it", agent_type="scribe", max_retries=0)
    await world.run_until_idle()
    found = await world.task(task)
    assert found.status in {"pending", "ready"}
    assert found.retry_count == 0
    (attempt,) = await world.attempts(task)
    assert attempt.error_message.startswith(".abathur/templates/rules.md.j2:2: 'nothing' is undef")
    assert attempt.failure_class is FailureClass.CONFIGURATION


async def test_a_template_that_is_none_keeps_the_swarm_from_starting(world: Any) -> None:
    template(world, "rules.md.j2", "{% if %}")
    with pytest.raises(ConfigError, match=r"^\.abathur/templates/rules\.md\.j2:1: "):
        await world.supervisor()
