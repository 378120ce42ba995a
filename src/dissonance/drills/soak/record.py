"""The record of the soak: what is flat, what is bounded, what is lost, and the limits of each."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.adapters.clock import SystemClock
from dissonance.contracts.topics import EventKind
from dissonance.drills.demo.stream import ROWS_PER_REQUEST
from dissonance.drills.records import AtLeast, AtMost, Equals, Limit, Raw, Record, make_record
from dissonance.drills.soak.gauge import LOAD_GENERATOR, Sample
from dissonance.drills.soak.run import SoakOutcome
from dissonance.drills.soak.trend import Trend, trend

NAME = "bench-soak"
MIB = 2**20

MOST_GROWTH = 0.1
"""Share of its memory by which no part of the system may grow in the last half of the run."""

LAG_S = 60.0
"""No consumer may be behind by more messages than come in so many seconds at the steady rate, one a request."""

LEAST_PACE = 0.9
"""Share of the rate that was asked for: below it the load was not the steady one that is spoken of."""

EVERY_ROW = (EventKind.PREDICTED, EventKind.CONTRADICTED, EventKind.JUDGED, EventKind.EXPERIENCED)


def record_of(outcome: SoakOutcome) -> Record:
    return make_record(
        name=NAME,
        what=(
            f"{outcome.rows} rows of real people through every role, each a process of its own, at "
            f"{outcome.rows_per_s:g} rows a second, labels and updates by the way; an event is a row in a message"
        ),
        command=f"dissonance drill {NAME} --rows {outcome.rows} --rows-per-s {outcome.rows_per_s:g}",
        now_us=SystemClock().now_us(),
        raw=_raw(outcome),
        limits=_limits(outcome),
    )


def _limits(outcome: SoakOutcome) -> list[Limit]:
    return [
        AtMost("largest_growth_of_last_half", MOST_GROWTH),
        AtMost("largest_lag", largest_lag_allowed(outcome.rows_per_s)),
        Equals("lag_at_end", 0),
        Equals("acknowledged", outcome.rows),
        *(Equals(f"{kind.value}_predictions", outcome.rows) for kind in EVERY_ROW),
        Equals("missing", 0),
        Equals("unexpected", 0),
        Equals("dead_lettered", 0),
        Equals("unaccounted", 0),
        Equals("labels_not_joined", 0),
        AtLeast("rows_per_s", LEAST_PACE * outcome.rows_per_s),
    ]


def largest_lag_allowed(rows_per_s: float) -> int:
    """Messages.

    >>> largest_lag_allowed(1_000.0)
    1500
    """
    return round(LAG_S * rows_per_s / ROWS_PER_REQUEST)


def _raw(outcome: SoakOutcome) -> dict[str, Raw]:
    trends = memory_trends(outcome.samples)
    growths = [each.growth for name, each in trends.items() if name != LOAD_GENERATOR]
    lag = lag_by_consumer(outcome.samples)
    raw: dict[str, Raw] = {
        "rows": outcome.rows,
        "rows_per_s_asked": outcome.rows_per_s,
        "rows_per_s": outcome.rows / outcome.stream_s,
        "rows_per_request": ROWS_PER_REQUEST,
        "stream_s": outcome.stream_s,
        "drain_s": outcome.drain_s,
        "events": sum(each.rows for each in outcome.passed.values()),
        "messages": sum(each.messages for each in outcome.streams.values()),
        "broker_bytes": sum(each.size_bytes for each in outcome.streams.values()),
        "largest_growth_of_last_half": max(growths, default=None),
        "largest_lag": max((max(values) for values in lag.values()), default=None),
        "lag_at_end": sum(outcome.lag_at_end.values()),
        **_accounted(outcome),
        "models_trained": outcome.streams[EventKind.CANDIDATE_REGISTERED].messages,
        "load_average_mean": _mean([each.load for each in outcome.samples]),
        "load_average_most": max((each.load for each in outcome.samples), default=None),
    }
    for kind, counted in outcome.passed.items():
        raw |= {f"{kind.value}_rows": counted.rows, f"{kind.value}_predictions": counted.predictions}
    raw |= {f"{kind.value}_messages": state.messages for kind, state in outcome.streams.items()}
    raw |= {f"{name}_largest_lag": max(values) for name, values in sorted(lag.items())}
    for name, each in sorted(trends.items()):
        raw |= {
            f"{name}_memory_mib": outcome.samples[-1].memory_bytes[name] / MIB,
            f"{name}_mib_per_100k_rows": each.slope / MIB,
            f"{name}_mib_per_100k_rows_low": each.low / MIB,
            f"{name}_mib_per_100k_rows_high": each.high / MIB,
            f"{name}_growth_of_last_half": each.growth,
        }
    return raw | _series(outcome.samples, lag)


def _accounted(outcome: SoakOutcome) -> dict[str, Raw]:
    counted = outcome.accounting
    return {
        "acknowledged": counted.acknowledged,
        "admitted": counted.admitted,
        "blocked": counted.blocked,
        "dead_lettered": counted.dead_lettered,
        "missing": counted.missing,
        "unexpected": counted.unexpected,
        "unaccounted": counted.acknowledged - counted.admitted - counted.blocked - counted.dead_lettered,
        "labels_sent": counted.labels_sent,
        "labels_joined": counted.labels_joined,
        "labels_not_joined": counted.labels_sent - counted.labels_joined,
        "requests": counted.requests,
        "retries": counted.retries,
        "verdict_chain_links": counted.verdict_chain_links,
        **{f"asked_as_{name}": count for name, count in sorted(outcome.asked.items())},
    }


def memory_trends(samples: Sequence[Sample]) -> dict[str, Trend]:
    """Of each part that was there all the time, in bytes; none for a run that was too short."""
    names = set.intersection(*(set(each.memory_bytes) for each in samples)) if samples else set()
    rows = [float(each.rows) for each in samples]
    found = {name: trend(rows, [float(each.memory_bytes[name]) for each in samples]) for name in names}
    return {name: each for name, each in found.items() if each is not None}


def lag_by_consumer(samples: Sequence[Sample]) -> dict[str, list[int]]:
    """Messages that waited at each sample; 0 before the consumer was made."""
    names = {name for each in samples for name in each.lag}
    return {name: [each.lag.get(name, 0) for each in samples] for name in names}


def _series(samples: Sequence[Sample], lag: dict[str, list[int]]) -> dict[str, Raw]:
    """What was seen at each sample."""
    series: dict[str, Raw] = {
        "series_elapsed_s": [round(each.elapsed_s, 1) for each in samples],
        "series_rows": [each.rows for each in samples],
        "series_load": [round(each.load, 2) for each in samples],
    }
    for name in sorted({name for each in samples for name in each.memory_bytes}):
        series[f"series_{name}_mib"] = [round(each.memory_bytes.get(name, 0) / MIB, 1) for each in samples]
    return series | {f"series_{name}_lag": list(values) for name, values in sorted(lag.items())}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
