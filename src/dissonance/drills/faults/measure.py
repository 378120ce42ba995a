"""What a fault did, from answers and lag: quantiles before, during and after, and when all was well again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

WELL_FOR_S = 2.0
"""All is well again from the first moment after which it stays well for so long."""

STEP_S = 0.25
"""Moments are looked at in such steps."""

TIMES_BEFORE, LEAST_TOLERATED_S = 2.0, 0.1
"""Latency is back when the p99 is at most twice what it was before, or at most a tenth of a second."""

LAG_ALLOWED_S = 1.0
"""Lag is drained when no more waits than before the fault and what comes in so many seconds."""


class Answers(NamedTuple):
    """Of requests as they were due. `due_s` (n,): rising; `latency_s` (n,): NaN while on its way; `ok` (n,)."""

    due_s: Floats
    latency_s: Floats
    ok: npt.NDArray[np.bool_]

    def between(self, start_s: float, end_s: float) -> Answers:
        """Those due in [start, end)."""
        part = slice(*np.searchsorted(self.due_s, [start_s, end_s]))
        return Answers(self.due_s[part], self.latency_s[part], self.ok[part])


class LagSample(NamedTuple):
    """`waiting`: messages that are not acknowledged yet, by consumer."""

    moment_s: float
    waiting: Mapping[str, int]


class Latencies(NamedTuple):
    """Seconds; of the requests that were answered with success. NaN where there was none."""

    p50_s: float
    p99_s: float


def latencies(answers: Answers) -> Latencies:
    """
    >>> latencies(Answers(np.arange(3.0), np.array([0.1, 0.3, 9.0]), np.array([True, True, False]))).p50_s
    0.2
    """
    good = answers.latency_s[answers.ok]
    if not len(good):
        return Latencies(float("nan"), float("nan"))
    return Latencies(float(np.quantile(good, 0.5)), float(np.quantile(good, 0.99)))


def tolerated_s(before: Latencies) -> float:
    """
    >>> tolerated_s(Latencies(0.01, 0.02)), tolerated_s(Latencies(0.01, 0.2))
    (0.1, 0.4)
    """
    return max(LEAST_TOLERATED_S, TIMES_BEFORE * before.p99_s) if before.p99_s == before.p99_s else LEAST_TOLERATED_S


def answered_well_from_s(
    answers: Answers, from_s: float, until_s: float, most_p99_s: float, well_for_s: float = WELL_FOR_S
) -> float | None:
    """The first moment from `from_s` on after which, for `well_for_s`, every request succeeded and the p99 is at most
    `most_p99_s`; None when that cannot be said at `until_s`.

    >>> due = np.arange(0.0, 10.0, 0.1)
    >>> answers = Answers(due, np.full(100, 0.01), due >= 3.05)
    >>> answered_well_from_s(answers, 2.0, 10.0, 0.1)
    3.25
    """
    moment_s = from_s
    while moment_s + well_for_s <= until_s:
        part = answers.between(moment_s, moment_s + well_for_s)
        if len(part.ok) and part.ok.all() and latencies(part).p99_s <= most_p99_s:
            return moment_s
        moment_s += STEP_S
    return None


def drained_from_s(samples: Sequence[LagSample], from_s: float, allowed: Mapping[str, float]) -> float | None:
    """When the lag of every consumer came under what is allowed, and stayed there until the last sample; `from_s` when
    it was never seen above; None when it is above, or was not seen. Where nothing is allowed nothing may wait.

    >>> samples = [LagSample(1.0, {"gate": 9}), LagSample(2.0, {"gate": 3}), LagSample(3.0, {"gate": 0})]
    >>> drained_from_s(samples, 0.5, {"gate": 4.0})
    2.0
    """
    since_s: float | None = None
    above = False
    for sample in (each for each in samples if each.moment_s >= from_s):
        if any(count > allowed.get(name, 0.0) for name, count in sample.waiting.items()):
            since_s, above = None, True
        elif since_s is None:
            since_s = sample.moment_s if above else from_s
    return since_s


def allowed_lag(samples: Sequence[LagSample], until_s: float, rate: float) -> dict[str, float]:
    """By consumer: the most that waited at the samples until then, and one message a request for `LAG_ALLOWED_S`.

    >>> allowed_lag([LagSample(1.0, {"gate": 5}), LagSample(9.0, {"gate": 50})], 2.0, 100.0)
    {'gate': 105.0}
    """
    most: dict[str, float] = {}
    for sample in (each for each in samples if each.moment_s <= until_s):
        for name, count in sample.waiting.items():
            most[name] = max(most.get(name, 0.0), float(count))
    return {name: count + LAG_ALLOWED_S * rate for name, count in most.items()}
