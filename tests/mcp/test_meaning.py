"""Meanings in a server that lives long: vectors made beside its calls, and a model that stays."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from abathur.bootstrap import Project
from abathur.bootstrap.embedding import LOOK_SECONDS, EmbedderOnce, keep_embedded
from abathur.domain.memories import NewMemory
from abathur.domain.memory_settings import MemorySettings
from abathur.infrastructure.turns import turn
from abathur.services import embedding, remembering
from tests.embeddings import served
from tests.mcp.conftest import Site


class Steps:
    """A clock that stops before each look but the first; `go_on` lets it look again."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._seconds = 0.0
        self.rests: list[float] = []
        self._looked, self._next = asyncio.Event(), asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        self._seconds += 0.1
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        if seconds < LOOK_SECONDS:
            self.rests.append(seconds)
            return
        self._looked.set()
        await self._next.wait()
        self._next.clear()

    async def look(self) -> None:
        await self._looked.wait()
        self._looked.clear()

    async def go_on(self) -> None:
        self._next.set()
        await self.look()


def asking(project: Project, url: str) -> Project:
    told = MemorySettings(embedder="ollama", model="ones", url=url)
    return replace(project, settings=replace(project.settings, memory=told))


async def vectors(site: Site) -> int:
    return sum(one.vectors for one in await site.db.read(embedding.totals))


async def remember(site: Site, count: int) -> None:
    now = site.host.now()
    for number in range(count):
        new = NewMemory(namespace="n", key=f"{now.timestamp()}-{number}", value="a word")
        await site.db.write(remembering.add, new, actor="cli:ann", now=now)


async def test_a_server_makes_vectors_beside_its_calls_and_rests_in_between(site: Site) -> None:
    said: list[str] = []
    # The worker of this site gave its lease back when it was made.
    clock = Steps(site.host.now() + timedelta(minutes=1))
    with served() as (url, _):
        await remember(site, 70)
        project = asking(site.host.project, url)
        beside = keep_embedded(project, site.db, EmbedderOnce(project), clock, said.append)
        task = asyncio.create_task(beside)
        await clock.look()
        assert await vectors(site) == 70
        assert clock.rests == pytest.approx([0.3, 0.3])
        await remember(site, 1)
        with turn(project.folder / "embedding.lock") as is_ours:
            assert is_ours
            await clock.go_on()
            assert await vectors(site) == 70  # another process does it
        await clock.go_on()
        assert await vectors(site) == 71
    await remember(site, 1)
    await clock.go_on()
    await clock.go_on()
    assert len(said) == 1
    assert "can't be reached" in said[0]
    task.cancel()
    await asyncio.wait([task])


async def test_a_swarm_that_lives_makes_the_vectors_itself(site: Site) -> None:
    now = site.host.now()
    until = now + timedelta(minutes=5)
    await site.db.write(lambda stores: stores.workers.beat("w1", now, until))
    clock = Steps(now)
    with served() as (url, heard):
        await remember(site, 1)
        project = asking(site.host.project, url)
        maker = EmbedderOnce(project)
        task = asyncio.create_task(keep_embedded(project, site.db, maker, clock, site.log.append))
        await clock.look()
    assert not heard
    task.cancel()
    await asyncio.wait([task])


def test_a_model_is_loaded_once_until_there_is_another(project: Project) -> None:
    folder = project.root / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"one")
    told = MemorySettings(embedder="model2vec", model="model")
    get = EmbedderOnce(replace(project, settings=replace(project.settings, memory=told)))
    first = get()
    assert get() is first is not None
    (folder / "model.safetensors").write_bytes(b"another")
    assert get() is not first
