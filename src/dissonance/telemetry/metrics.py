"""The metrics, declared once. One `Metrics` per process, on a registry of its own, so that tests and several
roles in one process do not share state by accident.

Labels are bounded: roles, kinds of event, route templates, methods, status codes, tasks; never an id or a row's value.

>>> metrics = Metrics()
>>> metrics.rows_predicted.labels(task="census").inc(3)
>>> "dissonance_rows_predicted_total{task=\\"census\\"} 3.0" in metrics.text().decode()
True
"""

from __future__ import annotations

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dissonance.telemetry.answered import AnsweredRequests
from dissonance.telemetry.names import MetricName

EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of `Metrics.text` (Prometheus text format 0.0.4)."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds."""

ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Upper bounds of the batch size histogram, in rows."""


class ShownBreaker(Protocol):
    """`ports.breaker.Breaker`, as much of it as is shown."""

    opened: int

    @property
    def openness(self) -> float: ...


class Metrics:
    """Counters end in `_total`; durations are in seconds; a batch is counted in rows, a lag in messages."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.answered_requests = AnsweredRequests(SECONDS)
        self.registry.register(self.answered_requests)
        self.grpc_requests = Counter(
            MetricName.GRPC_REQUESTS, "gRPC calls answered", ["method", "code"], registry=self.registry
        )
        self.grpc_duration = Histogram(
            MetricName.GRPC_DURATION,
            "Seconds from the message to the answer",
            ["method"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.accesses_denied = Counter(
            MetricName.ACCESSES_DENIED, "Attempts that were denied, by why", ["slug"], registry=self.registry
        )
        self.accesses_lost = Counter(
            MetricName.ACCESSES_LOST,
            "Entries of the audit trail that neither database nor disk took",
            registry=self.registry,
        )
        self.rows_predicted = Counter(
            MetricName.ROWS_PREDICTED, "Rows answered by the proposer", ["task"], registry=self.registry
        )
        self.events_handled = Counter(
            MetricName.EVENTS_HANDLED, "Events handled to their end", ["role", "kind"], registry=self.registry
        )
        self.handle_seconds = Counter(
            MetricName.HANDLE_SECONDS, "Seconds spent in a role's handler", ["role"], registry=self.registry
        )
        self.publish_seconds = Counter(
            MetricName.PUBLISH_SECONDS,
            "Seconds until the broker had taken what a role publishes",
            ["role"],
            registry=self.registry,
        )
        self.handler_errors = Counter(
            MetricName.HANDLER_ERRORS, "Events not handled, by error", ["role", "kind", "slug"], registry=self.registry
        )
        self.dead_letters = Counter(
            MetricName.DEAD_LETTERS, "Events given up as dead letters", ["role", "kind"], registry=self.registry
        )
        self.lag = Gauge(
            MetricName.LAG, "Messages waiting for a role or in its hands", ["role"], registry=self.registry
        )
        self.oldest_age = Gauge(
            MetricName.OLDEST_AGE,
            "Age of the oldest message that waits for a role or is in its hands; 0 when there is none",
            ["role"],
            registry=self.registry,
        )
        self.spare_keys = Gauge(
            MetricName.SPARE_KEYS,
            "Keys held ready for data subjects that come while the store of keys is away",
            registry=self.registry,
        )
        self.spare_keys_used = Counter(
            MetricName.SPARE_KEYS_USED, "Spare keys that rows were sealed under", registry=self.registry
        )
        self.spool_bytes = Gauge(
            MetricName.SPOOL_BYTES, "Bytes of sealed events that wait on disk for the broker", registry=self.registry
        )
        self.spooled_events = Counter(
            MetricName.SPOOLED_EVENTS, "Events that were put on disk since the broker was away", registry=self.registry
        )
        self.breaker_open = Gauge(
            MetricName.BREAKER_OPEN,
            "1 while an engine is not asked since it did not answer, 0.5 while one call sees whether it does, else 0",
            ["engine"],
            registry=self.registry,
        )
        self.breaker_opened = Gauge(
            MetricName.BREAKER_OPENED,
            "How often an engine was given up since this process started",
            ["engine"],
            registry=self.registry,
        )
        self.batch_size = Histogram(
            MetricName.BATCH_SIZE, "Rows handled in one batch", ["role"], buckets=ROWS, registry=self.registry
        )
        self.unexpected_errors = Counter(
            MetricName.UNEXPECTED_ERRORS, "Errors that nobody foresaw", ["where"], registry=self.registry
        )

    def watch_breaker(self, engine: str, breaker: ShownBreaker) -> None:
        """From now on say of a breaker what it is when the metrics are read."""
        self.breaker_open.labels(engine=engine).set_function(lambda: breaker.openness)
        self.breaker_opened.labels(engine=engine).set_function(lambda: breaker.opened)

    def text(self) -> bytes:
        """Everything, in the Prometheus text format."""
        return generate_latest(self.registry)
