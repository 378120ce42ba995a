"""When the demo asks for an update: realised accuracy has fallen, and clearly. Pure.

The reference is the first year of traffic. The rule looks at the last three windows whose labels have come: each
must be below the reference by the margin, and all three together by more than chance explains. That is what a person
would wait for before running `dissonance models retrain`; the loop does it by itself only in a later version.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from dissonance.contracts.api import WindowReply

REFERENCE_WINDOWS = 10
RECENT_WINDOWS = 3
MARGIN = 0.03  # accuracy, 0..1: each recent window is at least this far below the reference
LEAST_Z = 4.0  # standard errors between reference and recent, all rows together
LEAST_LABELLED = 0.95  # share of a window's rows whose label has come


class Fall(NamedTuple):
    """Accuracies in [0, 1], before and now, and the labelled rows that each rests on."""

    reference: float
    reference_rows: int
    recent: float
    recent_rows: int
    last_window_id: str


def fallen(windows: Sequence[WindowReply]) -> Fall | None:
    """The fall, or None while there is none. `windows` is in order of event time.

    Windows that are not closed, or lack labels, are not looked at.
    """
    mature = [window for window in windows if is_mature(window)]
    if len(mature) < REFERENCE_WINDOWS + RECENT_WINDOWS:
        return None
    reference, reference_rows = _pooled(mature[:REFERENCE_WINDOWS])
    recent_windows = mature[-RECENT_WINDOWS:]
    recent, recent_rows = _pooled(recent_windows)
    if any(_accuracy(window) > reference - MARGIN for window in recent_windows):
        return None
    deviation = sqrt(reference * (1 - reference) / reference_rows + recent * (1 - recent) / recent_rows)
    if deviation == 0.0 or (reference - recent) / deviation < LEAST_Z:
        return None
    return Fall(reference, reference_rows, recent, recent_rows, recent_windows[-1].window_id)


def is_mature(window: WindowReply) -> bool:
    """Closed, and all but a few of its labels have come."""
    return window.closed and window.labelled > 0 and window.labelled >= LEAST_LABELLED * window.rows


def _pooled(windows: Sequence[WindowReply]) -> tuple[float, int]:
    rows = sum(window.labelled for window in windows)
    return sum(_accuracy(window) * window.labelled for window in windows) / rows, rows


def _accuracy(window: WindowReply) -> float:
    return window.realised_accuracy if window.realised_accuracy is not None else 0.0
