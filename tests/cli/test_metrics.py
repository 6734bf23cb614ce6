"""The queue in figures: printed once, and served by a swarm."""

import signal
import socket
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from abathur.bootstrap.measuring import Measured
from abathur.domain.figures import Past, Present
from abathur.domain.pools import Pool, PoolSource
from abathur.domain.settings import Settings, SwarmSettings
from abathur.infrastructure import prometheus
from abathur.infrastructure.prometheus import Read, SwarmMetrics, Throttled
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from tests.cli.conftest import Abathur, configure

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def figures(text: str) -> Mapping[str, float]:
    """`name{label=value,...}` -> value, labels in order of their names."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def free_port() -> int:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        port: int = there.getsockname()[1]
        return port


def test_a_queue_is_told_in_figures_without_a_swarm(abathur: Abathur) -> None:
    configure(abathur, verify="test ! -e bad.txt", landing={"retry_flaky": False})
    abathur.script("Good", {"write": {"path": "a.txt", "text": "a"}})
    abathur.script("Bad", {"write": {"path": "bad.txt", "text": "b"}})
    abathur.run_swarm()
    abathur.script("Later", {"say": "hello"})
    told = figures(abathur.ok("metrics"))
    expected = {
        "abathur_up": 1,
        "abathur_tasks{agent_type=general,status=completed,target=main}": 1,
        "abathur_tasks{agent_type=general,status=failed,target=main}": 1,
        "abathur_tasks{agent_type=general,status=ready,target=main}": 1,
        "abathur_claims_total": 3,
        "abathur_attempts_total{failure_class=,outcome=succeeded}": 1,
        "abathur_attempts_total{failure_class=verification,outcome=succeeded}": 2,
        "abathur_landings_total{state=landed,target=main}": 1,
        "abathur_landings_total{state=rejected,target=main}": 2,
        "abathur_gate_runs_total{gate=verify,verdict=passed}": 1,
        "abathur_workers": 0,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert told["abathur_gate_runs_total{gate=verify,verdict=failed}"] >= 2
    assert 0 < told["abathur_oldest_ready_seconds"] < 60


def test_a_swarm_serves_the_figures_of_its_queue_and_of_itself(abathur: Abathur) -> None:
    port = free_port()
    pipes: dict[str, Any] = {"stdout": -1, "stderr": -1}
    swarm = abathur.popen("swarm", "start", "--metrics", str(port), **pipes)
    assert swarm.stdout is not None
    line = swarm.stdout.readline()
    assert b"swarm started" in line
    abathur.script("Hang", {"say": "hanging"}, {"hang": True})
    while b"agent text" not in swarm.stdout.readline():
        assert swarm.poll() is None
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        told = figures(answer.read().decode())
    assert told["abathur_swarm_agents"] == 1
    assert told["abathur_attempts_running"] == 1
    assert told["abathur_workers"] == 1
    assert told["abathur_wakeup_seconds_count"] == 1
    assert 0 <= told["abathur_wakeup_seconds_sum"] < 5
    assert told["process_resident_memory_bytes"] > 1e6
    swarm.send_signal(signal.SIGINT)
    swarm.send_signal(signal.SIGINT)
    swarm.communicate(timeout=60)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_a_claim_is_a_wake_up_by_as_many_agents_as_there_may_be_by_then() -> None:
    """With a second agent since a reload, one was free all the time."""
    going_by = Going(Settings(swarm=SwarmSettings(max_agents=1)))
    metrics = SwarmMetrics(lambda: Read(None, None, NOON), "1")
    sink = Measured(metrics, lambda _: None, cast(Any, going_by)).sink

    def tell(kind: SwarmEventKind, second: int, **more: Any) -> float:
        at = NOON + timedelta(seconds=second)
        sink(SwarmEvent(kind=kind, at=at, text="", attempt=1, **more))
        return metrics.registry.get_sample_value("abathur_wakeup_seconds_count") or 0

    tell(SwarmEventKind.SWARM_STARTED, 0)
    ready = {"ready_at": NOON + timedelta(seconds=5)}
    assert tell(SwarmEventKind.TASK_CLAIMED, 5, task_id="a", **ready) == 1
    assert tell(SwarmEventKind.TASK_CLAIMED, 6, task_id="b", **ready) == 1
    tell(SwarmEventKind.ATTEMPT_ENDED, 7, task_id="b")
    going_by.settings = Settings(swarm=SwarmSettings(max_agents=2))
    tell(SwarmEventKind.SETTINGS_CHANGED, 8)
    ready = {"ready_at": NOON + timedelta(seconds=9)}
    assert tell(SwarmEventKind.TASK_CLAIMED, 9, task_id="c", **ready) == 2


@dataclass
class Going:
    settings: Settings


def test_a_port_that_is_taken_is_told_before_anything_starts(abathur: Abathur) -> None:
    abathur.script("Write", {"say": "hello"})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        result = abathur("swarm", "start", "--until-idle", "--metrics", where)
    assert result.code != 0
    (line,) = result.err.splitlines()
    assert line.startswith(f"abathur: metrics can't be served on {where}: ")


@pytest.mark.parametrize("address", ["", "x", "0", "70000", "127.0.0.1", "localhost:", "1e3"])
def test_what_is_no_address_is_refused(abathur: Abathur, address: str) -> None:
    result = abathur("swarm", "start", "--metrics", address)
    assert result.code == 2
    assert "is no port" in result.err


def test_without_the_extra_one_line_says_so(
    abathur: Abathur, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for command in (["metrics"], ["swarm", "start", "--metrics", "9464"]):
        result = abathur(*command)
        assert result.code != 0
        assert result.err.splitlines() == [
            "abathur: metrics need the extra `metrics`: install it with "
            "`pip install 'abathur[metrics]'`"
        ]


def test_pools_are_told_with_their_reset() -> None:
    pool = Pool(
        provider="anthropic",
        account="default",
        limit_window="five_hour",
        exhausted_until=NOON + timedelta(hours=1),
        used_share=0.5,
        refusals=1,
        probe=None,
        source=PoolSource.EVENT,
        observed_at=NOON,
    )
    there = Present(
        tasks=[],
        ready_since=NOON + timedelta(minutes=1),
        attempts_under_way=0,
        landings=[],
        pools=[pool],
        holds=[],
        reviews=[],
        workers=0,
    )
    told = figures(prometheus.exposition(Read(there, None, NOON), "1.2.3"))
    labels = "{account=default,provider=anthropic,window=five_hour}"
    assert told[f"abathur_pool_exhausted{labels}"] == 1
    assert told[f"abathur_pool_used_ratio{labels}"] == 0.5
    assert told[f"abathur_pool_reset_timestamp_seconds{labels}"] == NOON.timestamp() + 3600
    assert told["abathur_oldest_ready_seconds"] == 0  # the clocks of two hosts differ


def test_a_database_that_is_away_is_told_as_that() -> None:
    told = figures(prometheus.exposition(Read(None, None, NOON), "1.2.3"))
    assert told == {"abathur_info{version=1.2.3}": 1, "abathur_up": 0}


def test_every_name_follows_the_conventions() -> None:
    none: dict[str, Any] = {"tasks": [], "landings": []}
    there = Present(
        **none, ready_since=None, attempts_under_way=0, pools=[], holds=[], reviews=[], workers=0
    )
    past = Past(**none, attempts=[], gate_runs=[], costs=[])
    text = prometheus.exposition(Read(there, past, NOON), "1.2.3")
    families = list(text_string_to_metric_families(text))
    assert len(families) > 15
    for family in families:
        assert family.name.startswith("abathur_")
        assert family.documentation.endswith(".")
        line = f"# TYPE {family.name}{'_total' if family.type == 'counter' else ''} {family.type}"
        assert line in text.splitlines()


def test_reading_takes_a_hundredth_of_the_time_however_often_it_is_asked_for() -> None:
    now, reads = 0.0, 0

    def read() -> int:
        nonlocal now, reads
        now, reads = now + 0.25, reads + 1
        return reads

    throttled = Throttled(read, lambda: now)
    while now < 100:
        throttled()
        now += 0.125
    assert reads == 4
