"""Meanings in a process that lives long: its embedder, and vectors made beside its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from abathur.bootstrap import remembering
from abathur.domain.errors import AbathurError, EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from abathur.bootstrap import Project
    from abathur.ports.clock import Clock
    from abathur.ports.stores import Stores, UnitOfWork
    from abathur.ports.vectors import Embedder

LOOK_SECONDS: Final = 30.0
STEP: Final = 64
"""Passages at once: some milliseconds of work."""
REST: Final = 3.0
"""For how long it rests, as a multiple of the time that it has worked."""


class EmbedderOnce:
    """The embedder of a project. A model that was loaded is kept until there is another."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._kept: Embedder | None = None

    def __call__(self) -> Embedder | None:
        """None when nobody is configured. Raises `EmbeddingError`, `UntrustedError`."""
        found = remembering.embedder(self._project)
        if found is None or self._kept is None or found.model != self._kept.model:
            self._kept = found
        return self._kept


async def keep_embedded(
    project: Project,
    db: UnitOfWork,
    embedder: Callable[[], Embedder | None],
    clock: Clock,
    say: Callable[[str], None],
) -> None:
    """Until cancelled: what lacks a vector gets one, slowly; also after a change of the model.

    A swarm that lives does it itself. What can't be done waits, and is said once.
    """
    said = ""
    while project.settings.memory.embedder is not None:
        try:
            await _look(project, db, embedder, clock)
            told = ""
        except (AbathurError, OSError) as error:
            kind = "meanings wait" if isinstance(error, EmbeddingError) else "vectors wait"
            told = f"{kind}: {error}"
        if told and told != said:
            say(told)
        said = told
        await clock.sleep(LOOK_SECONDS)


async def _look(
    project: Project, db: UnitOfWork, embedder: Callable[[], Embedder | None], clock: Clock
) -> None:
    from abathur.infrastructure.database.engines.jobs import apart
    from abathur.infrastructure.turns import turn
    from abathur.swarm.embedding import Pace, embed_missing

    if await db.read(_has_swarm, clock):
        return
    with turn(project.folder / "embedding.lock") as is_ours:
        if is_ours and (maker := embedder()) is not None:
            pace = Pace(step=STEP, rest=_resting(clock), on_thread=apart)
            await embed_missing(db, maker, pace)


def _has_swarm(stores: Stores, clock: Clock) -> bool:
    now = clock.now()
    return any(one.lease_until > now for one in stores.workers.live())


def _resting(clock: Clock) -> Callable[[], Awaitable[None]]:
    """Between two steps; what the last one took says for how long."""
    began = clock.monotonic()

    async def rest() -> None:
        nonlocal began
        await clock.sleep(REST * (clock.monotonic() - began))
        began = clock.monotonic()

    return rest
