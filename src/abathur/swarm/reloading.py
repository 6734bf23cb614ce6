"""Takes over a changed configuration without stopping anything.

Agents at work keep what they were started with. What can't be read, or what nobody has agreed to,
changes nothing: the swarm goes on by what it knew.
"""

from __future__ import annotations

from collections.abc import Sequence

from abathur.domain.configuration import Change, change
from abathur.domain.errors import AbathurError, DatabaseError, UntrustedError
from abathur.domain.needs import Need
from abathur.ports.stores import Stores
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import Parts
from abathur.swarm.state import Bell, State


class Reloader:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        # One of its own, as the others are rung at each commit.
        self._bell = Bell()
        self._stamp = parts.source.stamp()
        self._was_asked = False
        self._complained = ""

    def ask(self) -> None:
        """Read the configuration now, though no file seems to have changed, and say what came."""
        self._was_asked = True
        self._bell.ring()

    async def loop(self) -> None:
        """Runs until cancelled. Looks at the files at each heartbeat."""
        while True:
            await self._bell.wait(self._parts.settings.swarm.heartbeat_seconds)
            await self.round()

    async def round(self) -> None:
        stamp, was_asked = self._parts.source.stamp(), self._was_asked
        if stamp == self._stamp and not was_asked:
            return
        # Should a file change while it is read, the next stamp tells.
        self._stamp, self._was_asked = stamp, False
        try:
            found = await self._parts.source.read()
        except AbathurError as error:
            self._complain(error, was_asked)
            return
        self._complained = ""
        now = self._parts.configuration
        made = change(now.settings, found.settings)
        others = [
            *(["agent definitions"] if found.definitions != now.definitions else []),
            *(["templates of prompts"] if found.prompts != now.prompts else []),
        ]
        self._parts.redactor.learn(found.secrets)
        now.settings, now.definitions = made.settings, found.definitions
        now.prompts = found.prompts
        await self._resize()
        self._tell(made, others, was_asked)
        self._state.ring_all()

    async def _resize(self) -> None:
        most = self._parts.settings.swarm.max_agents
        try:
            await self._parts.db.write(_resize, self._state.worker_id, most)
        except DatabaseError as error:
            # It is for views alone.
            self._state.warn(f"the number of agents isn't shown as it is: {error}")

    def _complain(self, error: AbathurError, was_asked: bool) -> None:
        """Once each, unless somebody asked."""
        if str(error) == self._complained and not was_asked:
            return
        self._complained = str(error)
        text = f"the changed configuration isn't used: {error}"
        if isinstance(error, UntrustedError):
            self._state.needs_person(Need.TRUST, text)
        else:
            self._state.warn(text)

    def _tell(self, made: Change, others: Sequence[str], was_asked: bool) -> None:
        taken = [*made.taken, *others]
        if taken or was_asked:
            text = f"changed: {', '.join(taken)}" if taken else "nothing has changed"
            self._state.tell(
                SwarmEventKind.SETTINGS_CHANGED,
                f"configuration read again; {text}",
                data={"changed": taken, "kept": list(made.kept)},
            )
        if made.kept:
            names = ", ".join(made.kept)
            self._state.warn(f"{names}: stays as it was until the swarm is started anew")


def _resize(stores: Stores, worker_id: str, max_agents: int) -> None:
    stores.workers.resize(worker_id, max_agents)
