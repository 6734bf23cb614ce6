"""Figures in Prometheus' text format, printed once or served to scrapers.

Names by https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from abathur.domain.errors import AgentUnavailableError, SwarmError
from abathur.domain.figures import Counted, Past, Present

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

TASK_LABELS: Final = ("status", "agent_type", "target")
LONGEST_LABEL: Final = 100
WAKE_UPS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


def require_extra() -> None:
    """Raises `AgentUnavailableError`."""
    from importlib.util import find_spec

    if find_spec("prometheus_client") is None:
        raise AgentUnavailableError(
            "metrics need the extra `metrics`: install it with `pip install 'abathur[metrics]'`"
        )


@dataclass(frozen=True, slots=True)
class Read:
    """What the database says; None when it can't be asked."""

    present: Present | None
    past: Past | None
    now: datetime


def exposition(read: Read, version: str) -> str:
    """All that the database knows, as text."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(lambda: read, version))
    return generate_latest(registry).decode()


class SwarmMetrics:
    """What a swarm's own process measures, and the server that tells of it and of the queue."""

    def __init__(self, read: Callable[[], Read], version: str) -> None:
        """`read` is called on the server's threads."""
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self.registry: CollectorRegistry = CollectorRegistry()
        self.registry.register(_Collector(read, version))
        ProcessCollector(registry=self.registry)
        self._wake_ups = Histogram(
            "abathur_wakeup_seconds",
            "From a task's submission to its claim, where an agent was free all the time.",
            buckets=WAKE_UPS,
            registry=self.registry,
        )
        self._agents = Gauge(
            "abathur_swarm_agents", "Agents at work in this swarm.", registry=self.registry
        )
        self._warnings = Counter(
            "abathur_swarm_warnings", "Warnings of this swarm.", registry=self.registry
        )

    def woken(self, seconds: float) -> None:
        self._wake_ups.observe(max(0.0, seconds))

    def agents(self, count: int) -> None:
        self._agents.set(count)

    def warned(self) -> None:
        self._warnings.inc()

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Until what is returned is called. Raises `SwarmError`."""
        from prometheus_client import start_http_server

        try:
            server, thread = start_http_server(port, host, self.registry)
        except (OSError, OverflowError) as error:
            raise SwarmError(
                f"metrics can't be served on {host}:{port}: {error}; choose another with --metrics"
            ) from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop


class Throttled:
    """A reading that takes at most a hundredth of the time, however often it is asked for."""

    def __init__(self, read: Callable[[], Any], steady: Callable[[], float]) -> None:
        self._read, self._steady = read, steady
        self._lock = threading.Lock()
        self._value: Any = None
        self._next = -1.0

    def __call__(self) -> Any:
        with self._lock:
            began = self._steady()
            if began >= self._next:
                self._value = self._read()
                ended = self._steady()
                self._next = ended + 100 * (ended - began)
            return self._value


class _Collector:
    def __init__(self, read: Callable[[], Read], version: str) -> None:
        self._read, self._version = read, version

    def describe(self) -> Sequence[Metric]:
        """Nothing: else registering would read."""
        return ()

    def collect(self) -> Iterator[Metric]:
        found = self._read()
        yield _gauge("abathur_info", "The version.", ("version",), [((self._version,), 1)])
        is_up = int(found.present is not None)
        yield _gauge("abathur_up", "Whether the database could be read.", (), [((), is_up)])
        if found.present is not None:
            ended = found.past.tasks if found.past else ()
            yield from _present(found.present, ended, found.now)
        if found.past is not None:
            yield from _past(found.past)
        if found.present is not None and found.past is not None:
            claims = found.present.attempts_under_way + _sum(found.past.attempts)
            yield _counter("abathur_claims", "Tasks claimed, each time.", (), [((), claims)])


Rows = Sequence[tuple[tuple[str, ...], float]]


def _present(found: Present, ended: Sequence[Counted], now: datetime) -> Iterator[Metric]:
    tasks = _rows([*found.tasks, *ended])
    yield _gauge("abathur_tasks", "Tasks in the queue.", TASK_LABELS, tasks)
    since = found.ready_since
    waited = max(0.0, (now - since).total_seconds()) if since else 0.0
    text = "How long the ready task that waits for the longest time does so."
    yield _gauge("abathur_oldest_ready_seconds", text, (), [((), waited)])
    text = "Attempts under way."
    yield _gauge("abathur_attempts_running", text, (), [((), found.attempts_under_way)])
    text = "Finished work on its way to its target."
    yield _gauge("abathur_landings_open", text, ("state", "target"), _rows(found.landings))
    yield _gauge("abathur_holds", "What holds tasks back.", ("scope", "cause"), _rows(found.holds))
    text = "Questions that wait for a person."
    yield _gauge("abathur_reviews_open", text, ("kind",), _rows(found.reviews))
    yield _gauge("abathur_workers", "Swarms with a lease.", (), [((), found.workers)])
    yield from _pools(found, now)


def _pools(found: Present, now: datetime) -> Iterator[Metric]:
    labels = ("provider", "account", "window")
    keys = [(one.provider, one.account, one.limit_window) for one in found.pools]
    pools = list(zip(keys, found.pools, strict=True))
    closed = [(key, one.exhausted_until) for key, one in pools if one.exhausted_until]
    exhausted: Rows = [
        (key, float(bool(one.exhausted_until and one.exhausted_until > now))) for key, one in pools
    ]
    text = "Whether nothing is started that draws on this limit of a provider."
    yield _gauge("abathur_pool_exhausted", text, labels, exhausted)
    text = "When a used-up limit is over."
    resets: Rows = [(key, until.timestamp()) for key, until in closed]
    yield _gauge("abathur_pool_reset_timestamp_seconds", text, labels, resets)
    text = "The share of a limit that is used, as far as the provider tells."
    shares: Rows = [(key, one.used_share) for key, one in pools if one.used_share is not None]
    yield _gauge("abathur_pool_used_ratio", text, labels, shares)


def _past(found: Past) -> Iterator[Metric]:
    text, labels = "Attempts that have ended.", ("outcome", "failure_class")
    yield _counter("abathur_attempts", text, labels, _rows(found.attempts))
    text, labels = "Landings that have ended.", ("state", "target")
    yield _counter("abathur_landings", text, labels, _rows(found.landings))
    text, labels = "Runs of gates, once for each landing that they judged.", ("gate", "verdict")
    yield _counter("abathur_gate_runs", text, labels, _rows(found.gate_runs))
    kinds = ("input", "output", "cache_read", "cache_write")
    tokens: Rows = [
        ((one.name, kind), getattr(one, f"{kind}_tokens")) for one in found.costs for kind in kinds
    ]
    text, labels = "Tokens that agents told of.", ("agent_type", "kind")
    yield _counter("abathur_tokens", text, labels, tokens)
    costs: Rows = [
        row
        for one in found.costs
        for row in (
            ((one.name, "known"), one.known_usd),
            ((one.name, "estimated"), one.estimated_usd),
        )
    ]
    text, labels = (
        "US dollars, as told, and as estimated where nothing was.",
        ("agent_type", "basis"),
    )
    yield _counter("abathur_cost_usd", text, labels, costs)
    unknown: Rows = [((one.name,), one.unknown_attempts) for one in found.costs]
    text = "Attempts whose cost had to be estimated."
    yield _counter("abathur_cost_unknown_attempts", text, ("agent_type",), unknown)
    reserved: Rows = [((one.name,), one.reserved_usd) for one in found.costs]
    text = "US dollars that are set aside for attempts under way."
    yield _gauge("abathur_cost_reserved_usd", text, ("agent_type",), reserved)


def _rows(counted: Sequence[Counted]) -> Rows:
    return [(one.labels, one.count) for one in counted]


def _sum(counted: Sequence[Counted]) -> int:
    return sum(one.count for one in counted)


def _gauge(name: str, text: str, labels: Sequence[str], rows: Rows) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, text, labels=labels)
    _fill(family, rows)
    return family


def _counter(name: str, text: str, labels: Sequence[str], rows: Rows) -> CounterMetricFamily:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, text, labels=labels)
    _fill(family, rows)
    return family


def _fill(family: CounterMetricFamily | GaugeMetricFamily, rows: Rows) -> None:
    for labels, value in rows:
        family.add_metric([label[:LONGEST_LABEL] for label in labels], value)
