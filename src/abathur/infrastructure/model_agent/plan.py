"""What the loop is told on stdin: all of it, as arguments and variables can be read by others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final

from abathur.domain.tasks import JsonObject

MILLION: Final = 1_000_000


class Protocol(StrEnum):
    """How the model is asked."""

    MESSAGES = "messages"
    RESPONSES = "responses"
    CHAT = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars for a million tokens."""

    input: float
    output: float
    cache_read: float = 0.0
    cache_write: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    protocol: Protocol
    model: str
    api_key: str = ""
    auth_token: str = ""
    """Instead of a key: sent as a bearer token."""
    base_url: str | None = None
    prompt: str
    system_prompt: str = ""
    effort: str | None = None
    worktree: str
    add_dirs: tuple[str, ...] = ()
    scratch: str
    session_file: str
    session_id: str
    resume: bool = False
    """Go on with what the session file holds."""
    tools: tuple[str, ...] = ()
    """Names, or rules such as `Bash(git *)`; empty is all of the loop's own."""
    denied_tools: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    """Rules that a person has approved, over those of `tools`."""
    mcp_servers: tuple[JsonObject, ...] = ()
    output_schema: JsonObject | None = None
    max_turns: int | None = None
    max_tokens: int | None = None
    """Of the run, input and output together."""
    max_budget_usd: float | None = None
    max_output_tokens: int | None = None
    """Of one answer."""
    rates: Rates | None = None
    retries: int = 2
    """How often one request is repeated after a failure of the provider's that passes soon."""
    retry_seconds: float = 1.0
    """Before the first of these; doubled for each further one."""
    request_seconds: float = 600.0
    tool_seconds: float = 600.0
    """The longest that a command may take."""
    hidden_variables: tuple[str, ...] = ()
    """Variables that commands don't get."""


def to_json(plan: Plan) -> dict[str, Any]:
    return asdict(plan)


def from_json(told: Mapping[str, Any]) -> Plan:
    """What `to_json` made. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    known = {one.name for one in fields(Plan)}
    values = {name: _tupled(value) for name, value in told.items() if name in known}
    rates = values.get("rates")
    return Plan(
        **{
            **values,
            "protocol": Protocol(values["protocol"]),
            "rates": Rates(**rates) if rates else None,
        }
    )


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(slots=True)
class Spent:
    """What a run has used until now."""

    rates: Rates | None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    _cost: float = field(default=0.0)

    @property
    def tokens(self) -> int:
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
        )

    @property
    def cost_usd(self) -> float | None:
        """None when the price isn't known, which isn't zero."""
        return round(self._cost, 6) if self.rates else None

    def add(self, counts: Mapping[str, int]) -> float | None:
        """Count one answer in; what it cost."""
        for name, value in counts.items():
            setattr(self, name, getattr(self, name) + value)
        cost = self._price(counts)
        self._cost += cost
        return round(cost, 6) if self.rates else None

    def _price(self, counts: Mapping[str, int]) -> float:
        rates = self.rates
        if rates is None:
            return 0.0
        parts = (
            (rates.input, "input_tokens"),
            (rates.output, "output_tokens"),
            (rates.cache_read, "cache_read_tokens"),
            (rates.cache_write, "cache_write_tokens"),
        )
        return sum(rate * counts.get(name, 0) for rate, name in parts) / MILLION
