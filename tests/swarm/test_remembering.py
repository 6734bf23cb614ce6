"""What agents are told of memories, and how vectors come about while a swarm runs."""

from typing import Any

from abathur.domain.memories import NewMemory
from abathur.ports.memory import MemoryFilter
from abathur.services import embedding, remembering
from tests.embeddings import served

TOLD = {
    "writer": {
        "runtime": "command",
        "argv": ["sh", "-c", "cat > told.txt"],
        "prompt": "stdin",
        "briefing": True,
    }
}
"""An agent that lands what it was told."""
PROMPT = "Fix the parser of the configuration file"


async def add(world: Any, key: str, text: str) -> None:
    new = NewMemory(namespace="project", key=key, value=text)
    now = world.db.clock().now()
    await world.db.write(remembering.add, new, actor="cli:ann", now=now)


async def test_an_agent_is_told_what_is_remembered_about_its_task(world: Any) -> None:
    world.configure(agents=TOLD)
    await add(world, "one", "the configuration parser lives in config.py")
    await add(world, "two", "something else")
    await world.submit(PROMPT, agent_type="writer")
    await world.run_until_idle()
    told = world.file("told.txt")
    assert "# What is remembered" in told
    assert "  > the configuration parser lives in config.py" in told
    assert "project one, version 1" in told
    assert "something else" not in told
    now = world.db.clock().now()
    used = await world.db.read(remembering.get, "project", "one", now=now)
    assert used.access_count == 1
    await world.assert_sound()


async def test_an_agent_is_told_nothing_where_that_is_switched_off(world: Any) -> None:
    world.configure(agents=TOLD, memory={"recall_tokens": 0})
    await add(world, "one", "the configuration parser lives in config.py")
    await world.submit(PROMPT, agent_type="writer")
    await world.run_until_idle()
    assert "remembered" not in world.file("told.txt")


async def test_a_swarm_makes_the_vectors_that_are_missing(world: Any) -> None:
    with served() as (url, heard):
        memory = {"embedder": "ollama", "model": "ones", "url": url}
        world.configure(agents=TOLD, memory=memory)
        await add(world, "one", "no word in common")
        await world.submit(PROMPT, agent_type="writer")
        await world.run_until_idle()
    assert heard
    (total,) = await world.db.read(embedding.totals)
    assert (total.model, total.vectors) == ("ollama:ones", 1)


async def test_a_server_that_is_not_there_stops_no_swarm(world: Any) -> None:
    memory = {"embedder": "ollama", "model": "ones", "url": "http://127.0.0.1:9"}
    world.configure(agents=TOLD, memory=memory)
    await add(world, "one", "the configuration parser lives in config.py")
    await world.submit(PROMPT, agent_type="writer")
    assert (await world.run_until_idle()).completed == 1
    assert "config.py" in world.file("told.txt")
    warnings = [event.text for event in world.events if "meanings wait" in event.text]
    assert len(warnings) == 1
    assert "can't be reached" in warnings[0]


async def test_lessons_of_agents_keep_to_the_configured_quota(world: Any) -> None:
    world.configure(memory={"quota": 2})
    status = {"execution_status": {"status": "SUCCESS"}}
    lessons = ["run make first", "the parser is slow", "tests need a port"]
    result = {**status, "deliverables": {"lessons": lessons}}
    await world.submit("Write", [{"write": {"path": "a.txt", "text": "a\n"}}, {"result": result}])
    assert (await world.run_until_idle()).completed == 1
    where = MemoryFilter(namespace="lessons")
    found = await world.db.read(remembering.select, where, now=world.db.clock().now())
    assert len(found) == 2
