"""What a scripted model says, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from abathur.domain.tasks import JsonObject

FOREVER: Final = float("inf")


class Api(StrEnum):
    """The ways of asking a model that the server knows."""

    MESSAGES = "messages"
    """Anthropic's Messages."""
    RESPONSES = "responses"
    """OpenAI's Responses."""
    CHAT = "chat"
    """OpenAI's Chat Completions."""
    GEMINI = "gemini"
    """Google's Gemini."""


class Ending(StrEnum):
    """What is answered when all turns of a conversation were played."""

    FAIL = "fail"
    """Status 400, with words that name the conversation."""
    STOP = "stop"
    """A last text without tool calls, which ends what the agent does."""
    REPEAT = "repeat"
    """The last turn again and again."""
    RESTART = "restart"
    """The first turn again."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    """As the client offers it; with or without its namespace."""
    arguments: JsonObject | str
    """A text is sent as it stands: input of a free-form tool, or JSON that isn't any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tokens that an answer is said to have used."""

    input: int = 1000
    output: int = 50
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True)
class Break:
    """An error in the middle of an answer that had begun well."""

    after: int
    """How many pieces of the stream come before it."""
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Meeting:
    """A moment in another conversation."""

    conversation: str
    turn: int
    """It was asked for so many turns at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer to one request."""

    texts: tuple[str, ...] = ()
    thinking: str = ""
    tools: tuple[ToolCall, ...] = ()
    usage: Counts = field(default_factory=Counts)
    stop: str | None = None
    """Why the model ended, as the Messages API calls it; None is what fits the content."""
    status: int = 200
    error: str | None = None
    """The type of the error in the body; None is what the status is usually called."""
    message: str = "refused by the script"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0
    """Seconds before the first byte; FOREVER never answers."""
    after: Meeting | None = None
    """Isn't answered before, so that two agents are brought into an order."""
    pace: float = 0
    """Seconds between the pieces of a stream."""
    cut: int | None = None
    """The connection is closed after so many pieces of the stream; 0 is before the first byte."""
    fail: Break | None = None
    raw: str | None = None
    """Sent instead of what the API would answer."""
    content_type: str = "application/json"
    """Of `raw`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests a conversation is for. What isn't given fits all."""

    api: Api | None = None
    model: str | None = None
    """A pattern like `claude-haiku*`."""
    system: tuple[str, ...] = ()
    """All of them stand in what the model is told about itself."""
    prompt: tuple[str, ...] = ()
    """All of them stand in what the user said, at any time."""
    last: tuple[str, ...] = ()
    """All of them stand in the last message, like the result of a tool."""
    turn: int | None = None
    """So many answers of the model are in the request already, and one more."""
    tool: str | None = None
    """A tool of that name is offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    name: str
    turns: tuple[Turn, ...]
    when: Match = field(default_factory=Match)
    then: Ending = Ending.FAIL
    shared: bool = False
    """Its turns are played once for all sessions, not from the start for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    name: str
    conversations: tuple[Conversation, ...]
    models: tuple[str, ...] = ("scripted",)
    """What the server says it has."""


def script_of(*turns: Turn, then: Ending = Ending.FAIL) -> Script:
    """One conversation with whoever asks."""
    only = Conversation(name="all", turns=turns, then=then)
    return Script(name="script", conversations=(only,))
