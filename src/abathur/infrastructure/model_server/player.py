"""Which turn answers a request. Safe to be called from several threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from abathur.infrastructure.model_server.asked import Asked, fingerprint
from abathur.infrastructure.model_server.script import (
    Conversation,
    Ending,
    Match,
    Meeting,
    Script,
    Turn,
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request and what was chosen for it."""

    path: str
    headers: Mapping[str, str]
    """Names in small letters; what proves who asks is replaced by `***`."""
    asked: Asked
    conversation: str | None
    """None when no conversation of the script fits."""
    turn: int
    """Counted from 1; beyond the last when the script was over."""
    answer: Turn

    @property
    def body(self) -> Mapping[str, Any]:
        return self.asked.body


class Player:
    def __init__(self, script: Script) -> None:
        self._script = script
        self._lock = threading.Condition()
        self._stopped = False
        self._played: dict[tuple[int, str], int] = {}
        self._recorded: list[Recorded] = []

    @property
    def recorded(self) -> tuple[Recorded, ...]:
        with self._lock:
            return tuple(self._recorded)

    def play(self, asked: Asked, path: str, headers: Mapping[str, str]) -> Recorded:
        with self._lock:
            name, number, turn = self._chosen(asked)
            told = Recorded(path, headers, asked, name, number, turn)
            self._recorded.append(told)
            self._lock.notify_all()
            return told

    def wait_for(self, meeting: Meeting) -> bool:
        """False when it was stopped before the meeting came."""
        with self._lock:
            self._lock.wait_for(lambda: self._stopped or self._has_come(meeting))
            return not self._stopped

    def stop(self) -> None:
        """Ends all waiting."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()

    def _has_come(self, meeting: Meeting) -> bool:
        name, turn = meeting.conversation, meeting.turn
        return any(one.conversation == name and one.turn >= turn for one in self._recorded)

    def _chosen(self, asked: Asked) -> tuple[str | None, int, Turn]:
        for place, conversation in enumerate(self._script.conversations):
            if fits(conversation.when, asked):
                number = self._number(place, conversation, asked)
                return conversation.name, number, self._turn(conversation, number)
        said = f"{self._script.name}: no conversation is for model `{asked.model}` ({asked.api})"
        return None, 0, Turn(status=400, message=f"{said}: {asked.prompts[-1:]!s:.300}")

    def _number(self, place: int, conversation: Conversation, asked: Asked) -> int:
        session = "" if conversation.shared else asked.session or fingerprint(asked)
        key = (place, session)
        played = self._played.get(key, 0)
        if played and not asked.session and not conversation.shared and asked.answers == 0:
            # A client without a name begins again; after a refusal it tries the same once more.
            refused = conversation.turns[min(played, len(conversation.turns)) - 1].status >= 400
            played = played if refused else 0
        self._played[key] = played + 1
        return played + 1

    def _turn(self, conversation: Conversation, number: int) -> Turn:
        turns = conversation.turns
        if number <= len(turns):
            return turns[number - 1]
        match conversation.then:
            case Ending.REPEAT:
                return turns[-1]
            case Ending.RESTART:
                return turns[(number - 1) % len(turns)]
            case Ending.STOP:
                return Turn(texts=("The script is over.",))
        over = f"conversation `{conversation.name}` is over after {len(turns)} turns"
        return Turn(status=400, message=f"{self._script.name}: {over}")


def fits(match: Match, asked: Asked) -> bool:
    said = "\n".join(asked.prompts)
    return (
        match.api in {None, asked.api}
        and (match.model is None or fnmatchcase(asked.model, match.model))
        and (match.turn is None or match.turn == asked.answers + 1)
        and (match.tool is None or match.tool in {tool.name for tool in asked.tools})
        and all(text in asked.system for text in match.system)
        and all(text in said for text in match.prompt)
        and all(text in asked.last for text in match.last)
    )
