"""Every key of the configuration: what it sets, what it accepts, and how it is explained.

This one table drives the reading, the errors and the file that `abathur init` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from abathur.domain import times
from abathur.domain.gates import NAME, Gate
from abathur.domain.landing import Strategy
from abathur.domain.money import Price
from abathur.domain.needs import Need
from abathur.domain.sandbox import SandboxSetting, sandbox
from abathur.domain.settings import CommandSetting, TargetSettings


class NotAccepted(Exception):
    """A value doesn't fit; the text says what is expected."""


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    """As it stands in the file, with a dot after its section."""
    read: Callable[[object], Any]
    """From a value of YAML to the setting; raises `NotAccepted`."""
    sample: str
    help: str
    field: str = ""
    """The dotted name in `Settings` when it is another one; files may use it too."""
    variable: str = ""
    is_map: bool = False
    """Its value is a section whose entries later places add to, replace, or empty."""

    @property
    def setting(self) -> str:
        return self.field or self.name


# --- kinds of values ----------------------------------------------------------------------


def text(value: object) -> str:
    """One line that isn't blank; numbers count as their text."""
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise NotAccepted("a text is expected")
    if not str(value).strip() or "\n" in str(value):
        raise NotAccepted("a text on one line is expected")
    return str(value).strip()


def whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise NotAccepted(f"a whole number from {low} to {high} is expected")
        return number

    return read


def number(low: float, high: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise NotAccepted(f"a number from {low:g} to {high:g} is expected")
        return float(value)

    return read


def duration(low: float = 0.0) -> Callable[[object], float]:
    expected = 'a time like 30, "30s", "5m" or "1h" is expected'

    def read(value: object) -> float:
        seconds = None if isinstance(value, bool) else times.seconds(str(value))
        if seconds is None:
            raise NotAccepted(expected)
        if not low <= seconds <= 366 * 86_400:
            raise NotAccepted(f"{expected}, at least {low:g} seconds and at most a year")
        return seconds

    return read


def dollars(value: object) -> float:
    return number(0, 1e9)(value)


def dollars_by_name(value: object) -> float | dict[str, float]:
    """One amount, or one for each name."""
    if isinstance(value, Mapping):
        return {str(name): dollars(amount) for name, amount in value.items()}
    return dollars(value)


def prices(value: object) -> dict[str, Price]:
    """`{MODEL: {input, output, cache_read, cache_write}}`, in dollars for a million tokens."""
    if not isinstance(value, Mapping):
        raise NotAccepted("models with prices are expected, like {claude-opus: {input: 4}}")
    return {str(model): _price(row) for model, row in value.items()}


def _price(row: object) -> Price:
    known = ("input", "output", "cache_read", "cache_write")
    if not isinstance(row, Mapping) or not row or not set(map(str, row)) <= set(known):
        raise NotAccepted(f"each model needs prices named {', '.join(known)}")
    return Price(**{str(kind): dollars(amount) for kind, amount in row.items()})


def truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise NotAccepted("true or false is expected")
    return value


def names(value: object) -> tuple[str, ...]:
    """A list of texts, or one text with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(item, str) for item in parts):
        raise NotAccepted("a list of names is expected")
    return tuple(name for part in parts if (name := part.strip()))


def needs(value: object) -> tuple[Need, ...]:
    known = {need.value: need for need in Need}
    given = names(value)
    if not known.keys() >= set(given):
        raise NotAccepted(f"a list of {', '.join(known)} is expected")
    return tuple(known[name] for name in given)


def command(value: object) -> CommandSetting:
    """A text for `sh -c`, a list, or `{command | argv, timeout}`."""
    if isinstance(value, Mapping):
        return _command_section(value)
    if isinstance(value, str) and value.strip():
        return CommandSetting(argv=("sh", "-c", value))
    if isinstance(value, list) and value and all(_is_word(item) for item in value):
        return CommandSetting(argv=tuple(str(item) for item in value))
    raise NotAccepted(
        'a command is expected: a text for the shell, or a list like ["make", "test"]'
    )


def confinement(value: object) -> SandboxSetting | None:
    try:
        return sandbox(value)
    except ValueError as error:
        raise NotAccepted(str(error)) from error


def _command_section(value: Mapping[Any, Any]) -> CommandSetting:
    unknown = [str(key) for key in value if key not in {"command", "argv", "timeout"}]
    given = [value[key] for key in ("command", "argv") if value.get(key) is not None]
    if unknown or len(given) != 1:
        raise NotAccepted("either `command` or `argv` is expected, and nothing else but `timeout`")
    if isinstance(given[0], Mapping):
        raise NotAccepted("the command must be a text for the shell or a list")
    made = command(given[0])
    limit = value.get("timeout")
    if limit is None:
        return made
    try:
        return CommandSetting(argv=made.argv, timeout_seconds=round(duration(1)(limit)))
    except NotAccepted as error:
        raise NotAccepted(f"timeout: {error}") from error


def _is_word(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def strategy(value: object) -> Strategy:
    known = [one.value for one in Strategy]
    if value not in known:
        raise NotAccepted(f"one of {', '.join(known)} is expected")
    return Strategy(str(value))


def _entries(value: object) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise NotAccepted("a section of names is expected")
    for key, item in value.items():
        yield text(key), item


def gates(value: object) -> dict[str, Gate | None]:
    """By name; None for one that isn't wanted any more."""
    found: dict[str, Gate | None] = {}
    for name, item in _entries(value):
        if not NAME.fullmatch(name):
            raise NotAccepted(f"`{name}`: a name of letters, digits, `-`, `_` and `.` is expected")
        try:
            found[name] = None if item is None else _gate(name, item)
        except NotAccepted as error:
            raise NotAccepted(f"{name}: {error}") from error
    return found


def _gate(name: str, value: object) -> Gate:
    section = {"command": value} if not isinstance(value, Mapping) else dict(value)
    retries = section.pop("retries", None)
    made = command(section)
    return Gate(
        name=name,
        argv=made.argv,
        timeout_seconds=made.timeout_seconds,
        retries=None if retries is None else whole(0, 10)(retries),
    )


def targets(value: object) -> dict[str, TargetSettings | None]:
    """By branch or pattern; None for one about which nothing is to be said any more."""
    found: dict[str, TargetSettings | None] = {}
    for name, item in _entries(value):
        try:
            found[name] = None if item is None else _target(item)
        except NotAccepted as error:
            raise NotAccepted(f"{name}: {error}") from error
    return found


def _target(value: object) -> TargetSettings:
    kinds: dict[str, Callable[[object], Any]] = {
        "allow": truth,
        "strategy": strategy,
        "gates": names,
    }
    if not isinstance(value, Mapping) or not value.keys() <= kinds.keys():
        raise NotAccepted(f"a section of {', '.join(kinds)} is expected")
    return TargetSettings(**{key: kinds[key](item) for key, item in value.items()})


def log_level(value: object) -> str:
    level = str(value).upper()
    known = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    if level not in known:
        raise NotAccepted(f"one of {', '.join(known)} is expected")
    return level


def overlap(value: object) -> str:
    if value not in ("wait", "run"):
        raise NotAccepted("`wait` or `run` is expected")
    return str(value)


def counts(value: object) -> dict[str, int]:
    """Whole numbers by name."""
    if not isinstance(value, Mapping):
        raise NotAccepted("names with a whole number each are expected, like {reviewer: 2}")
    read = whole(1, 1000)
    return {str(name): read(item) for name, item in value.items() if item is not None}


def section(value: object) -> dict[str, Any]:
    """A mapping of values that JSON can hold; dates become text."""
    if not isinstance(value, Mapping):
        raise NotAccepted("a section with keys of its own is expected")
    return {str(key): _plain(item) for key, item in value.items()}


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise NotAccepted(f"only texts, numbers, lists and sections are possible, not {value!r:.40}")


# --- the keys -----------------------------------------------------------------------------

KEYS: Final = (
    Key(
        "default_runtime",
        text,
        "claude",
        "What runs an agent whose type says nothing: claude, command, fake, or an add-on's name.",
        variable="ABATHUR_RUNTIME",
    ),
    Key(
        "database",
        text,
        "postgresql://abathur@db.example.org/queue",
        "Where the queue is instead of `.abathur/abathur.db`: a file, or a URL without password.",
        variable="ABATHUR_DB",
    ),
    Key(
        "target_branch",
        text,
        "main",
        "The branch that finished work lands on; without it, the branch that is checked out.",
        variable="ABATHUR_TARGET_BRANCH",
    ),
    Key("setup", command, "./setup.sh", "Run in each new worktree before the agent starts."),
    Key(
        "verify",
        command,
        "{command: make test, timeout: 30m}",
        "Must succeed on the merged result before work lands: a shell text, a list, or a section.",
    ),
    Key(
        "sandbox",
        confinement,
        "{kind: bubblewrap, network: on, writable: [~/.cache/uv], readable: [~/.claude]}",
        "What agents, set-up and checks are confined to; `off` without a sandbox.",
    ),
    Key(
        "gates",
        gates,
        "{lint: make lint, test: {command: make test, timeout: 30m, retries: 2}}",
        "Like `verify`, which is one of them, but several, by name; they run in this order.",
        is_map=True,
    ),
    Key(
        "targets",
        targets,
        "{main: {allow: true, strategy: squash, gates: [lint]}}",
        "What is special about a target: whether work may land there, and how.",
        is_map=True,
    ),
    Key(
        "log_level",
        log_level,
        "INFO",
        "The least that goes into `.abathur/logs/swarm.log`: DEBUG, INFO, WARNING or ERROR.",
        variable="ABATHUR_LOG_LEVEL",
    ),
    Key(
        "swarm.max_agents",
        whole(1, 1000),
        "4",
        "How many agents run at the same time.",
        variable="ABATHUR_MAX_AGENTS",
    ),
    Key(
        "swarm.lease",
        duration(1),
        "60s",
        "After this time without a sign of life a swarm counts as dead and its tasks are retaken.",
        "swarm.lease_seconds",
    ),
    Key(
        "swarm.heartbeat",
        duration(0.01),
        "10s",
        "How often a swarm gives that sign of life.",
        "swarm.heartbeat_seconds",
    ),
    Key(
        "swarm.grace",
        duration(),
        "10s",
        "Between asking an agent to end and killing it.",
        "swarm.grace_seconds",
    ),
    Key(
        "swarm.poll",
        duration(0.01),
        "5s",
        "How often to look at the queue when nothing announced a change.",
        "swarm.poll_seconds",
    ),
    Key(
        "swarm.overlap",
        overlap,
        "wait",
        "Whether a task waits while another one works on paths that both declare: wait or run.",
    ),
    Key(
        "swarm.keep_finished_worktrees",
        truth,
        "false",
        "Whether worktrees stay after their work has landed.",
    ),
    Key(
        "swarm.pass_env",
        names,
        "[CI, NPM_*]",
        "Variables of the environment that agents, set-up and checks get; others stay out.",
    ),
    Key(
        "landing.batch_size",
        whole(1, 100),
        "8",
        "How many finished tasks of one target are checked and landed together at most.",
    ),
    Key(
        "landing.strategy",
        strategy,
        "merge",
        "How work becomes a part of the target: merge, squash or rebase.",
    ),
    Key(
        "landing.retry_flaky",
        truth,
        "true",
        "Whether a gate that failed is run once more, and called flaky when it passes then.",
    ),
    Key(
        "landing.protected",
        names,
        "[main, master, release/*]",
        "Targets on which nothing lands unless `targets.NAME.allow` says so.",
    ),
    Key(
        "retry.initial",
        duration(),
        "10s",
        "The wait before the second attempt.",
        "retry.initial_seconds",
    ),
    Key("retry.factor", number(1, 100), "2", "Each further wait is this many times longer."),
    Key("retry.max", duration(), "5m", "The longest wait.", "retry.max_seconds"),
    Key("retry.jitter", number(0, 1), "0.2", "The share of a wait that is left to chance, 0 to 1."),
    Key(
        "retry.max_rework",
        whole(0, 100),
        "1",
        "How often a conflict or a failed verification sends work back to an agent.",
    ),
    Key(
        "review.required_for",
        names,
        '[main, "release/*", "agent:junior"]',
        "Targets, as patterns, and agent types whose work a person approves before it lands.",
    ),
    Key("notices.desktop", truth, "false", "Whether to show a notice on this machine's desktop."),
    Key(
        "notices.webhook",
        text,
        "ABATHUR_WEBHOOK",
        "A URL to send notices to as JSON, or the environment variable that holds it.",
    ),
    Key(
        "notices.about",
        needs,
        "[review, task_failed, swarm_error, hold]",
        "What to send notices of.",
    ),
    Key(
        "budget.task_usd",
        dollars,
        "5",
        "The most that one task may cost, all its attempts together; then it is held, and asks.",
    ),
    Key(
        "budget.target_usd",
        dollars_by_name,
        "{main: 200}",
        "The same for each target, as one amount or by name.",
    ),
    Key("budget.day_usd", dollars, "50", "The same for each day, which begins at midnight UTC."),
    Key(
        "budget.assumed_usd_per_attempt",
        dollars,
        "1",
        "What an attempt counts for when its cost isn't known and there is nothing to go by.",
    ),
    Key(
        "budget.prices",
        prices,
        "{claude-opus: {input: 4, output: 20}}",
        "Dollars for a million tokens, for agents that tell tokens but no cost.",
    ),
    Key("limits.host", whole(1, 1000), "8", "On one machine, in all swarms there together."),
    Key("limits.agent_types", counts, "{reviewer: 2}", "Of one agent type, wherever they run."),
    Key("limits.targets", counts, "{main: 4}", "For one target branch, wherever they run."),
    Key(
        "silence.after",
        duration(),
        "10m",
        "A run without output for this long is looked at for other signs of work; 0: never.",
        "silence.after_seconds",
    ),
    Key(
        "silence.extensions",
        whole(0, 100),
        "2",
        "How many times a run in which nothing moves is given that time again before it is ended.",
    ),
    Key(
        "silence.longest",
        duration(),
        "1h",
        "How long an open tool call, or an agent's word that it is busy, counts as a sign of work.",
        "silence.longest_seconds",
    ),
)

SECTIONS: Final = {
    "swarm": "How many agents, and how they are watched over.",
    "landing": "How finished work gets onto its target.",
    "retry": "What happens after a failed attempt.",
    "review": "What waits for a person's approval.",
    "notices": "How a person is called who isn't looking.",
    "budget": "How much may be spent, in US dollars; without a limit there is none.",
    "limits": "How many agents may be at work at once, over all swarms that share the queue.",
    "silence": "What happens to a run that says nothing; an agent type may have its own.",
    "runtimes": "How agents are run: a section by runtime.",
    "agents": "What is special about one agent type: `runtime`, `model`, and its runtime's keys.",
}

FREE_SECTIONS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "runtimes": {
        "claude": (
            "program: claude",
            "model: sonnet",
            "permission_mode: acceptEdits",
            "allowed_tools: [Bash, Edit, Read, Write]",
            "max_turns: 200",
            "max_budget_usd: 5",
            "private_home: auto",
        ),
        "command": ("argv: [./agent.sh, --task, '{task_id}']", "prompt: stdin"),
    },
    "agents": {"reviewer": ("runtime: claude", "model: opus")},
}
