"""Every key of an agent definition that means something to us: what it takes and what it does.

This one table drives reading, errors and the reference. A key that isn't in it goes to the runtime
as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from abathur.domain import times
from abathur.domain.agent_stats import model_rule
from abathur.domain.errors import InvalidInputError
from abathur.domain.patterns import checked
from abathur.domain.sandbox import sandbox
from abathur.domain.tasks import JsonObject

ANY_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*")
MAX_TIMEOUT: Final = 30 * 86_400
LONGEST_WORD: Final = 200


@dataclass(frozen=True, slots=True)
class DefinitionKey:
    name: str
    read: Callable[[Any], Any]
    """To the value as it is used, which JSON can hold; `ValueError` says what is expected."""
    sample: str
    help: str
    aliases: tuple[str, ...] = ()
    """As other programs call the same."""


def text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a text is expected, not {value!r:.60}")
    return str(value).strip()


def word(value: Any) -> str:
    """A text that a program can't take for one of its options."""
    found = text(value)
    if found.startswith("-") or not found.isprintable() or len(found) > LONGEST_WORD:
        raise ValueError(f"a name is expected, not {value!r:.60}")
    return found


def names(value: Any) -> list[str]:
    """A list, or one text with commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"a list of names is expected, like `Read, Edit`, not {value!r:.60}")
    return list(dict.fromkeys(name for item in items if (name := item.strip())))


def whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"a whole number above zero is expected, not {value!r:.60}")
    return value


def duration(value: Any) -> int:
    """Seconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a duration is expected, like `30m`, not {value!r:.60}")
    found = times.whole_seconds(value) if isinstance(value, str) else round(value)
    if found is None or not 1 <= found <= MAX_TIMEOUT:
        raise ValueError(f"a duration from 1s to 30d is expected, like `30m`, not {value!r:.60}")
    return found


def dollars(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError(f"dollars are expected, like `2.5`, not {value!r:.60}")
    return float(value)


def command(value: Any) -> str | list[str]:
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, list) and value and all(isinstance(item, str) and item for item in value):
        return list(value)
    raise ValueError('a command is expected: a text for the shell, or a list like ["make", "test"]')


def patterns(value: Any) -> list[str]:
    try:
        return list(checked(names(value)))
    except InvalidInputError as error:
        raise ValueError(str(error).removeprefix("touches: ")) from error


def servers(value: Any) -> list[Any] | dict[str, Any]:
    """Names of servers that `.mcp.json` describes, or a section that describes them."""
    if isinstance(value, Mapping):
        if not all(ANY_NAME.fullmatch(str(name)) for name in value):
            raise ValueError("names of letters, digits, `-`, `_` and `.` are expected")
        return {str(name): _server(str(name), item) for name, item in value.items()}
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for item in value:
            servers(item if isinstance(item, Mapping) else [item])
        return list(value)
    given = names(value)
    if wrong := next((name for name in given if not ANY_NAME.fullmatch(name)), None):
        raise ValueError(f"`{wrong}` is no name of a server")
    return list(given)


def _server(name: str, value: Any) -> Any:
    """What is started, or where it listens; who starts it looks at the rest."""
    told = value if isinstance(value, Mapping) else {}
    if not any(isinstance(told.get(key), str) and told[key] for key in ("command", "url")):
        raise ValueError(f"{name}: a section with `command` or `url` is expected")
    return value


def confinement(value: Any) -> Any:
    sandbox(value)
    if isinstance(value, Mapping) and value.keys() & {"writable", "readable"}:
        raise ValueError(
            "only the configuration can open folders; a definition can close the network"
        )
    return value


def schema(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("a JSON schema, or the name of a file with one, is expected")
    return dict(value)


def rule(value: Any) -> Any:
    model_rule(value)
    return dict(value)


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"true or false is expected, not {value!r:.60}")
    return value


KEYS: Final = (
    DefinitionKey(
        "effort", word, "high", "How hard the model is to think, in the words of its runtime."
    ),
    DefinitionKey(
        "models", names, "[haiku, sonnet]", "What `model: auto` chooses from, for each run."
    ),
    DefinitionKey(
        "model_rule",
        rule,
        "{prefer: success_rate, min_runs: 5, explore: 0.1}",
        "How `model: auto` chooses: the best `success_rate`, or `cost` of a success.",
    ),
    DefinitionKey(
        "denied_tools",
        names,
        "[WebFetch, Bash(git push *)]",
        "Tools that it must not have, whatever else is allowed.",
        ("disallowedTools", "disallowed_tools"),
    ),
    DefinitionKey(
        "max_turns", whole, "50", "How often the model may be asked in one run.", ("maxTurns",)
    ),
    DefinitionKey(
        "timeout",
        duration,
        "30m",
        "The longest that a run may take, where its task doesn't say less.",
    ),
    DefinitionKey("budget", dollars, "2.5", "The most that one run may cost, in US dollars."),
    DefinitionKey(
        "touches",
        patterns,
        "[docs/, README.md]",
        "Paths that its tasks will change, where a task says nothing itself.",
    ),
    DefinitionKey(
        "verify",
        command,
        "make lint",
        "A command that must succeed in the worktree when it says that it is done.",
    ),
    DefinitionKey(
        "sandbox",
        confinement,
        "{network: off}",
        "Confine it though the configuration doesn't, or without the network.",
    ),
    DefinitionKey(
        "mcp_servers",
        servers,
        "[abathur-task-queue, abathur-memory]",
        "Servers of the Model Context Protocol that it gets, by their names in `.mcp.json`.",
        ("mcpServers",),
    ),
    DefinitionKey(
        "result_schema",
        schema,
        "plan.schema.json",
        "A JSON schema that its result has to meet: as it is, or a file beside the definition.",
        ("output_schema",),
    ),
    DefinitionKey(
        "add_dirs", names, "[../library]", "Folders beside the worktree that it may use."
    ),
    DefinitionKey(
        "briefing",
        truth,
        "false",
        "Whether the prompt is put together from templates; `false` hands over the bare prompt.",
    ),
)

_BY_NAME: Final[Mapping[str, DefinitionKey]] = {
    **{key.name: key for key in KEYS},
    **{alias: key for key in KEYS for alias in key.aliases},
}
NAMES: Final = frozenset({"name", "description", "model", "tools", *_BY_NAME})
"""Those of definitions, with their aliases."""
_LIMITS: Final = ("timeout", "max_turns", "budget")


class KeyProblem(ValueError):
    """A value isn't acceptable. `key` is the name under which it was given."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


def read_keys(given: JsonObject) -> dict[str, Any]:
    """The keys with their values as they are used; unknown ones stay. Raises `KeyProblem`.

    `limits` is a section of `timeout`, `max_turns` and `budget`, which may also stand alone.
    """
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name == "limits":
            read |= _limits(value)
        elif value is None or name not in _BY_NAME:
            read[name] = value
        else:
            read[_BY_NAME[name].name] = _read(name, value, name)
    return read


def _limits(value: Any) -> dict[str, Any]:
    known = ", ".join(_LIMITS)
    if not isinstance(value, Mapping):
        raise KeyProblem("limits", f"a section of {known} is expected")
    if unknown := next((name for name in value if name not in _LIMITS), None):
        raise KeyProblem("limits", f"`{unknown!s:.40}` isn't known; possible are {known}")
    return {name: _read(name, item, "limits") for name, item in value.items() if item is not None}


def _read(name: str, value: Any, given_as: str) -> Any:
    try:
        return _BY_NAME[name].read(value)
    except ValueError as error:
        inner = f"{name}: " if name != given_as else ""
        raise KeyProblem(given_as, f"{inner}{error}") from error
