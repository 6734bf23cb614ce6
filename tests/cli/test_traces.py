"""Traces of real swarms, as a collector gets them over HTTP."""

import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from abathur.infrastructure import otlp
from tests.cli.conftest import Abathur, configure

ERROR = 2
"""The code of a status, in the protocol."""


class Collector:
    """Keeps every span that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.paths: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {a.key: a.value.string_value for a in one.resource.attributes}
            self.services.add(names["service.name"])
            for scope in one.scope_spans:
                self.spans += scope.spans

    def of(self, task: str) -> list[Any]:
        """The spans of a task, in order of time."""
        found = [span for span in self.spans if span.trace_id.hex() == UUID(task).hex]
        return sorted(found, key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano))


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def named(spans: Sequence[Any], name: str) -> list[Any]:
    return [span for span in spans if span.name == name]


def test_a_task_is_one_trace_from_its_submission_to_its_landing(
    abathur: Abathur, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "night-shift")
    monkeypatch.setenv("MY_TOKEN", "tell-nobody-of-this")
    program = ["sh", "-c", "echo $TRACEPARENT > parent.txt"]
    configure(
        abathur,
        default_runtime="command",
        runtimes={"command": {"argv": program, "prompt": "none"}},
        verify="true",
    )
    task = abathur.submit("Say tell-nobody-of-this")
    abathur.ok("swarm", "start", "--until-idle")
    spans = collector.of(task)
    assert collector.paths == {"/v1/traces"}
    assert collector.services == {"night-shift"}
    assert len(collector.spans) == len(spans)
    assert sorted(span.name for span in spans) == sorted(
        ["task", "queued", "claimed", "run", "verified", "landed"]
    )
    (root,) = named(spans, "task")
    by_id = {span.span_id: span for span in spans}
    parents = {span.name: by_id[span.parent_span_id].name for span in spans if span.parent_span_id}
    children = ("queued", "claimed", "run", "landed")
    assert parents == {"verified": "landed", **dict.fromkeys(children, "task")}
    for span in spans:
        assert root.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano
        assert span.status.code != ERROR
    (run,) = named(spans, "run")
    told = attributes(run)
    assert told["gen_ai.operation.name"] == "invoke_agent"
    assert (told["abathur.attempt"], told["process.exit.code"]) == (1, 0)
    parent = abathur.git("show", "main:parent.txt").strip()
    assert parent == f"00-{UUID(task).hex}-{run.span_id.hex()}-01"
    assert "tell-nobody" not in str(collector.spans)
    assert not list((abathur.root / ".abathur" / "traces").iterdir())


def test_what_went_wrong_is_an_error_in_its_trace(abathur: Abathur, collector: Collector) -> None:
    configure(
        abathur,
        traces={"endpoint": f"{collector.url}/v1/traces"},
        verify="false",
        landing={"retry_flaky": False},
        retry={"max_rework": 0},
    )
    task = abathur.script("Write", {"write": {"path": "a.txt", "text": "a"}})
    assert abathur("swarm", "start", "--until-idle").code == 1
    spans = collector.of(task)
    wrong = {span.name: attributes(span)["error.type"] for span in spans if span.status.code}
    assert wrong == {"verified": "failed", "landed": "rejected", "task": "failed"}
    assert {span.status.code for span in spans} == {0, ERROR}
    (gate,) = named(spans, "verified")
    told = attributes(gate)
    assert told["cicd.pipeline.task.name"] == "verify"
    assert told["cicd.pipeline.task.run.result"] == "failure"


def test_a_trace_goes_on_where_a_killed_swarm_left_it(
    abathur: Abathur, collector: Collector
) -> None:
    configure(abathur, traces={"endpoint": collector.url})
    steps = {
        "1": [{"say": "hanging"}, {"hang": True}],
        "2": [{"write": {"path": "a.txt", "text": "a"}}],
    }
    task = abathur.submit("Hang", "--input-data", json.dumps({"script": steps}))
    swarm = abathur.popen("swarm", "start", stdout=-1, stderr=-1)
    assert swarm.stdout is not None
    while b"agent text" not in swarm.stdout.readline():
        assert swarm.poll() is None
    os.kill(swarm.pid, signal.SIGKILL)
    swarm.communicate()
    abathur.ok("swarm", "start", "--until-idle")
    spans = collector.of(task)
    ids = [span.span_id for span in spans]
    assert len(ids) == len(set(ids))
    (root,) = named(spans, "task")
    lost, good = named(spans, "run")
    assert {lost.parent_span_id, good.parent_span_id} == {root.span_id}
    assert (attributes(lost)["error.type"], lost.status.code) == ("lost", ERROR)
    assert attributes(lost)["abathur.worker.id"] != attributes(good)["abathur.worker.id"]
    assert lost.end_time_unix_nano <= good.start_time_unix_nano


def test_what_a_collector_was_away_for_is_sent_by_the_next_swarm(
    abathur: Abathur, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(abathur, traces={"endpoint": "http://127.0.0.1:9"})
    first = abathur.script("First", {"write": {"path": "a.txt", "text": "a"}})
    monkeypatch.setattr("abathur.bootstrap.telemetry.LAST_SECONDS", 0.3)
    out = abathur("swarm", "start", "--until-idle")
    assert out.code == 0
    assert "1 completed" in out.out
    configure(abathur, traces={"endpoint": collector.url})
    monkeypatch.setattr("abathur.bootstrap.telemetry.LAST_SECONDS", 20)
    second = abathur.script("Second", {"write": {"path": "b.txt", "text": "b"}})
    abathur.ok("swarm", "start", "--until-idle")
    assert [len(named(collector.of(task), "task")) for task in (first, second)] == [1, 1]
    assert not list((abathur.root / ".abathur" / "traces").iterdir())


def test_without_the_extra_one_line_says_so(
    abathur: Abathur, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "is_installed", lambda: False)
    abathur.script("Write", {"say": "hello"})
    configure(abathur, traces={"enabled": True})
    result = abathur("swarm", "start", "--until-idle")
    assert result.code != 0
    assert result.err.splitlines() == [
        "abathur: traces need the extra `traces`: install it with `pip install 'abathur[traces]'`"
    ]


def test_traces_that_are_switched_off_need_no_extra(
    abathur: Abathur, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "is_installed", lambda: False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    configure(abathur, traces={"enabled": False})
    abathur.script("Write", {"say": "hello"})
    abathur.ok("swarm", "start", "--until-idle")
    assert collector.spans == []
