from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from dissonance.telemetry.answered import AnsweredRequests
from dissonance.telemetry.metrics import SECONDS
from dissonance.telemetry.names import MetricName

requests = st.tuples(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/livez", "/v1/tasks/{task}/predict"]),
    st.sampled_from([200, 429]),
    st.one_of(st.sampled_from(SECONDS), st.sampled_from([0.0, 0.004, 0.3, 99.0])),
)


@given(st.lists(requests, max_size=20))
def test_what_is_read_is_what_the_librarys_own_metrics_say(answered: list[tuple[str, str, int, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counting = AnsweredRequests(SECONDS)
    ours.register(counting)
    total = Counter(MetricName.HTTP_REQUESTS, "HTTP requests answered", ["method", "route", "status"], registry=theirs)
    duration = Histogram(
        MetricName.HTTP_DURATION,
        "Seconds from the request line to the last byte of the answer",
        ["method", "route"],
        buckets=SECONDS,
        registry=theirs,
    )
    for method, route, status, seconds in answered:
        counting.count(method, route, status, seconds)
        total.labels(method, route, str(status)).inc()
        duration.labels(method, route).observe(seconds)
    assert _said(ours) == pytest.approx(_said(theirs))  # the same seconds, added up in another order


def _said(registry: CollectorRegistry) -> dict[str, float]:
    """Without the time at which the library made a series, which says nothing of requests."""
    lines = [line for line in generate_latest(registry).decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if "_created" not in name}
