"""The settings that the program runs with, as plain values. Where each came from is `sources`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from abathur.domain.concurrency import Limits
from abathur.domain.gates import VERIFY, Gate
from abathur.domain.landing import Strategy
from abathur.domain.leaks import Secrets
from abathur.domain.memory_settings import MemorySettings
from abathur.domain.needs import Need
from abathur.domain.sandbox import SandboxSetting
from abathur.domain.tasks import JsonObject

# Every command reads its settings; few of them need to know of money.
if TYPE_CHECKING:
    from abathur.domain.budgets import Budgets
    from abathur.domain.money import Price, Pricing

DEFAULT_RUNTIME: Final = "claude"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSetting:
    """A command of the project's own: run in a worktree, without a shell unless argv names one."""

    argv: tuple[str, ...]
    timeout_seconds: int = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """Exponential back-off between attempts: see `domain.retry`."""

    initial_seconds: float = 10.0
    factor: float = 2.0
    max_seconds: float = 300.0
    jitter: float = 0.2
    """The share of a delay that is left to chance, 0 to 1."""
    max_rework: int = 1
    """How many times a conflict or a failed verification sends the work back to an agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmSettings:
    max_agents: int = 4
    lease_seconds: float = 60.0
    heartbeat_seconds: float = 10.0
    grace_seconds: float = 10.0
    """Between asking an agent to end and killing it, and for running agents after Ctrl-C."""
    poll_seconds: float = 5.0
    """How often to look at the queue when no wake-up came: the safety net."""
    overlap: str = "wait"
    """What becomes of a ready task that touches the paths of a running one: `wait` or `run`."""
    keep_finished_worktrees: bool = False
    pass_env: tuple[str, ...] = ()
    """Names of variables (`PREFIX*` is possible) that every agent is given from ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingSettings:
    batch_size: int = 8
    """How many landings are brought onto one target together at most."""
    retry_flaky: bool = True
    """Whether a gate that failed is run once more before it is believed."""
    strategy: Strategy = Strategy.MERGE
    protected: tuple[str, ...] = ("main", "master", "release/*")
    """Patterns of targets that need `targets.NAME.allow`."""
    secrets: Secrets = Secrets.WARN
    """What becomes of work that adds what looks like a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """What is special about one target; None where nothing is."""

    allow: bool | None = None
    strategy: Strategy | None = None
    gates: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    required_for: tuple[str, ...] = ()
    """Whose work a person approves before it lands: see `domain.reviews.is_required`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettings:
    """How a person is called; nothing of it is on unless asked for."""

    desktop: bool = False
    webhook: str | None = None
    """A URL, or the name of the environment variable that holds it."""
    about: tuple[Need, ...] = tuple(Need)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """US dollars. None is without end."""

    task_usd: float | None = None
    target_usd: float | Mapping[str, float] | None = None
    """For each target, or by name."""
    day_usd: float | None = None
    assumed_usd_per_attempt: float | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)

    @property
    def budgets(self) -> Budgets:
        from abathur.domain.budgets import Budgets

        by_name = self.target_usd if isinstance(self.target_usd, Mapping) else {}
        return Budgets(
            task_usd=self.task_usd,
            target_usd=None if isinstance(self.target_usd, Mapping) else self.target_usd,
            targets=by_name,
            day_usd=self.day_usd,
        )

    @property
    def pricing(self) -> Pricing:
        from abathur.domain.money import Pricing

        return Pricing(prices=self.prices, assumed_usd=self.assumed_usd_per_attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    enabled: bool | None = None
    """None: when an endpoint is known, here or in the environment."""
    endpoint: str | None = None
    """Of a collector that speaks OTLP over HTTP; None: as the `OTEL_*` variables say."""
    service_name: str = "abathur"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSettings:
    """When there is too little room to start anything: see `domain.disk`."""

    min_free: int = 500_000_000
    """Bytes. 0: never."""
    max_kept: int | None = None
    """Bytes of worktrees, transcripts, logs, spool and salvaged work together; None: no limit."""
    keep_transcripts: int = 100
    """Completed tasks whose transcripts stay when room is made, the last completed."""
    max_transcript_age_seconds: float = 90 * 86_400
    """After which the transcripts of an ended task go. 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceSettings:
    """What happens to a run without output: see `domain.silence`."""

    after_seconds: float = 600.0
    """Without output before it is looked at, and between two looks. 0: never."""
    extensions: int = 2
    """How many times a run in which nothing moves is given the same time again."""
    longest_seconds: float = 3600.0
    """How long an open tool call or a declaration is believed while nothing moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSettings:
    """What runs may do through the servers; `max_usd` of None is without end."""

    max_depth: int = 8
    """How many levels of tasks below the first one."""
    max_tasks: int = 200
    """How many tasks below the first one, all levels together."""
    max_usd: float | None = None
    """What those may have cost when another one is added."""
    targets: tuple[str, ...] = ("feature/*",)
    """Patterns of branches that a run's tasks may land on, beside its own target."""
    servers: tuple[str, ...] = ()
    """Those that agents are given whose definition says nothing about servers."""
    namespaces: tuple[str, ...] = ("agents:*", "agent_enhancements:*")
    """Patterns of memory namespaces that every run may write, beside those of its own tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    default_runtime: str = DEFAULT_RUNTIME
    log_level: str = "INFO"
    """The least that goes into the swarm's log file: DEBUG (agents' words), INFO, WARNING, ..."""
    log_format: str = "text"
    """`text` or `json`."""
    log_max_mb: int = 5
    """Millions of bytes, at which a log file is put aside."""
    log_kept: int = 3
    """How many of those are kept."""
    database: str | None = None
    """Where the queue is, when it isn't in the project's own file: another file, or a URL."""
    target_branch: str | None = None
    """The target of tasks that name none; without it the branch that is checked out."""
    setup: CommandSetting | None = None
    """Run in each new worktree before the agent."""
    verify: CommandSetting | None = None
    """The gate named `verify`."""
    gates: Mapping[str, Gate] = field(default_factory=dict)
    """Run on the merged tree, one after another; the landing needs the success of all."""
    landing: LandingSettings = field(default_factory=LandingSettings)
    criteria: Mapping[str, JsonObject] = field(default_factory=dict)
    """What loops measure, by name: see `domain.loops.criteria`."""
    loops: Mapping[str, JsonObject] = field(default_factory=dict)
    """By name: see `domain.loops.specs`."""
    targets: Mapping[str, TargetSettings] = field(default_factory=dict)
    """By name of the branch, or a pattern like `release/*`."""
    sandbox: SandboxSetting | None = None
    """What agents, set-up and gates are confined by; an agent type may have its own."""
    swarm: SwarmSettings = field(default_factory=SwarmSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    review: ReviewSettings = field(default_factory=ReviewSettings)
    notices: NoticeSettings = field(default_factory=NoticeSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    limits: Limits = field(default_factory=Limits)
    silence: SilenceSettings = field(default_factory=SilenceSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    disk: DiskSettings = field(default_factory=DiskSettings)
    traces: TraceSettings = field(default_factory=TraceSettings)
    mcp: McpSettings = field(default_factory=McpSettings)
    runtimes: Mapping[str, JsonObject] = field(default_factory=dict)
    """Section by runtime name: `argv`, `prompt`, `env`, ... as that runtime defines."""
    agents: Mapping[str, JsonObject] = field(default_factory=dict)
    """Section by agent type: `runtime`, `model`, and whatever its runtime understands."""
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Alias -> runtime, or `*` -> name of a model; over `domain.model_names.ALIASES`."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Dotted name of a setting -> the file or variable that it came from."""

    def target(self, name: str) -> TargetSettings:
        """What is said about a target: by its name, else by the first pattern that fits."""
        if name in self.targets:
            return self.targets[name]
        fitting = (found for key, found in self.targets.items() if fnmatchcase(name, key))
        return next(fitting, TargetSettings())

    def strategy_for(self, target: str) -> Strategy:
        return self.target(target).strategy or self.landing.strategy

    def is_allowed(self, target: str) -> bool:
        """Whether work may land there."""
        allow = self.target(target).allow
        if allow is not None:
            return allow
        return not any(fnmatchcase(target, pattern) for pattern in self.landing.protected)

    @property
    def known_gates(self) -> Mapping[str, Gate]:
        """All that there are, in the order in which they run."""
        if self.verify is None:
            return self.gates
        verify = Gate(
            name=VERIFY, argv=self.verify.argv, timeout_seconds=self.verify.timeout_seconds
        )
        return {VERIFY: verify, **self.gates}

    def gates_for(self, target: str) -> tuple[Gate, ...]:
        """Those that guard a target, in the order in which they run."""
        known, names = self.known_gates, self.target(target).gates
        return tuple(known[name] for name in (known if names is None else names))

    def runs_of(self, gate: Gate) -> int:
        """How often a gate is run before its failure is believed."""
        default = 1 if self.landing.retry_flaky else 0
        return 1 + (default if gate.retries is None else gate.retries)
