"""Spans to a collector by OTLP over HTTP, on a thread of its own.

What a collector doesn't take is sent again, so it may get a span twice: with the same ids and the
same content.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.redaction import Redactor
from abathur.domain.spans import Place, Span
from abathur.domain.traces import span_id, trace_id
from abathur.infrastructure.trace_journal import TraceJournal

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import SpanContext

PATH: Final = "/v1/traces"
MAX_WAITING: Final = 10_000
"""Spans that wait for a collector that is away; the oldest are given up for newer ones."""
BATCH: Final = 500
PAUSE_SECONDS: Final = 5.0
"""After a failure, before it is tried again."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_installed() -> bool:
    from importlib.util import find_spec

    return all(
        find_spec(name) is not None
        for name in ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter")
    )


def require_extra() -> None:
    """Raises `AgentUnavailableError`."""
    if not is_installed():
        raise AgentUnavailableError(
            "traces need the extra `traces`: install it with `pip install 'abathur[traces]'`"
        )


class OtlpTraces:
    """`ports.traces.TraceExporter`. Made on any thread; `put` and `begin` are for one."""

    def __init__(
        self,
        *,
        endpoint: str | None,
        service: Mapping[str, str],
        journal: TraceJournal,
        redactor: Redactor,
        complain: Callable[[str], None],
    ) -> None:
        """`endpoint` None leaves all to the `OTEL_*` variables. `complain` gets a line once for
        each time that the collector goes away, on another thread.
        """
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider

        _quieten()
        provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
        self._sampler: Sampler = provider.sampler
        self._resource: Resource = provider.resource
        self._exporter: SpanExporter = OTLPSpanExporter(endpoint=_full(endpoint))
        self._journal, self._redactor, self._complain = journal, redactor, complain
        self._waiting: deque[Span] = deque(maxlen=MAX_WAITING)
        self._wakes = threading.Condition()
        self._is_closing = self._is_failing = False
        self._begun = 0
        """Tasks that were begun and not put yet."""
        self._thread = threading.Thread(target=self._work, name="abathur-traces", daemon=True)
        self._thread.start()

    def is_sampled(self, task_id: str) -> bool:
        from opentelemetry.sdk.trace.sampling import Decision

        decided = self._sampler.should_sample(None, trace_id(task_id), "task")
        return decided.decision is not Decision.DROP

    def begin(self, task_id: str) -> None:
        with self._wakes:
            self._begun += 1
            self._journal.add(task_id)

    def put(self, task_id: str, spans: Sequence[Span]) -> None:
        with self._wakes:
            self._begun -= 1
            if self.is_sampled(task_id):
                self._waiting.extend(spans)
            self._wakes.notify()

    def left_behind(self) -> Sequence[str]:
        return self._journal.take_over()

    def close(self, timeout_seconds: float) -> None:
        with self._wakes:
            self._is_closing = True
            self._wakes.notify()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self._exporter.shutdown()  # which ends its own waiting for another try
        with self._wakes:
            self._journal.close(all_told=not self._waiting and not self._begun)

    def _work(self) -> None:
        while True:
            with self._wakes:
                self._wakes.wait_for(lambda: self._waiting or self._is_closing)
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not batch:
                return
            is_sent = self._send(batch)
            with self._wakes:
                self._after(batch, is_sent=is_sent)
                if not is_sent and (
                    self._is_closing or self._wakes.wait_for(self._ends, PAUSE_SECONDS)
                ):
                    return

    def _ends(self) -> bool:
        return self._is_closing

    def _send(self, batch: Sequence[Span]) -> bool:
        try:
            result = self._exporter.export([self._readable(span) for span in batch])
        except Exception:  # whatever a collector or a proxy makes of it
            return False
        return result.name == "SUCCESS"

    def _after(self, batch: Sequence[Span], *, is_sent: bool) -> None:
        if is_sent:
            self._is_failing = False
            if not self._waiting and not self._begun:
                self._journal.clear()
            return
        room = MAX_WAITING - len(self._waiting)
        self._waiting.extendleft(reversed(batch[len(batch) - min(room, len(batch)) :]))
        if not self._is_failing:
            self._is_failing = True
            self._complain("traces can't be sent to the collector; they are kept and tried again")

    def _readable(self, span: Span) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import Status, StatusCode

        status = Status(StatusCode.UNSET)
        if span.error is not None:
            status = Status(StatusCode.ERROR, self._redactor.text(span.error))
        return ReadableSpan(
            name=span.name,
            context=_context(span.task_id, span.place),
            parent=None if span.parent is None else _context(span.task_id, span.parent),
            resource=self._resource,
            attributes=self._redactor.value(dict(span.attributes)),
            status=status,
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=InstrumentationScope("abathur"),
        )


def _context(task_id: str, place: Place) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    flags = TraceFlags(TraceFlags.SAMPLED)
    ids = trace_id(task_id), span_id(task_id, *place)
    return SpanContext(*ids, is_remote=False, trace_flags=flags)


def _nanoseconds(time: datetime) -> int:
    since = time - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def _resource(service: Mapping[str, str]) -> Resource:
    """What the environment says of the service counts before what we say."""
    from opentelemetry.sdk.resources import Resource

    told = dict(service)
    named = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in named:
        told.pop("service.name", None)
    attributes: dict[str, Any] = {**told}
    return Resource.create(attributes)


def _full(endpoint: str | None) -> str | None:
    """The address for traces, from that of the collector."""
    if endpoint is None or endpoint.rstrip("/").endswith(PATH):
        return endpoint
    return endpoint.rstrip("/") + PATH


def _quieten() -> None:
    """What the library has to say about a collector goes nowhere: we say it once."""
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
