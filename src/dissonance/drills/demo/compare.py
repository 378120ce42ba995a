"""The managed model beside the frozen one, on the same rows of the stream. Pure.

The managed model's answer to a row is the one that was given live, before its label was asked for; the frozen one is
version 1, which answers the same row with what it learnt at first.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from dissonance.drills.demo.story import Span
from dissonance.science.proportions import Interval, paired_difference, wilson_interval


class Compared(msgspec.Struct, frozen=True):
    """Both models on the same `rows`: shares of right answers, in [0, 1].

    `frozen`, `managed`: Wilson intervals at 95 %; `gain`: the paired difference, likewise.
    """

    name: str
    rows: int
    frozen: Interval
    managed: Interval
    gain: Interval


class TrueWindow(msgspec.Struct, frozen=True):
    """What the system does not know: the accuracy of both models on all rows of a window, in [0, 1]."""

    start_us: int
    rows: int
    frozen: float
    managed: float


def compare(
    periods: Mapping[str, Span],
    times_us: npt.NDArray[np.int64],
    frozen_right: npt.NDArray[np.bool_],
    managed_right: npt.NDArray[np.bool_],
) -> list[Compared]:
    """One line a period that has rows; shapes (n,)."""
    lines = []
    for name, span in periods.items():
        inside = span.holds(times_us)
        if inside.any():
            lines.append(_compared(name, frozen_right[inside], managed_right[inside]))
    return lines


def true_windows(
    width_us: int,
    times_us: npt.NDArray[np.int64],
    frozen_right: npt.NDArray[np.bool_],
    managed_right: npt.NDArray[np.bool_],
) -> list[TrueWindow]:
    """In order of event time, counted from 1970 as the evaluator does."""
    numbers = times_us // width_us
    return [
        TrueWindow(
            int(number) * width_us,
            int(inside.sum()),
            float(frozen_right[inside].mean()),
            float(managed_right[inside].mean()),
        )
        for number in np.unique(numbers)
        if (inside := numbers == number).any()
    ]


def _compared(name: str, frozen: npt.NDArray[np.bool_], managed: npt.NDArray[np.bool_]) -> Compared:
    n = len(frozen)
    gained, lost = int((managed & ~frozen).sum()), int((frozen & ~managed).sum())
    return Compared(
        name,
        n,
        wilson_interval(int(frozen.sum()), n),
        wilson_interval(int(managed.sum()), n),
        paired_difference(gained, lost, n),
    )
