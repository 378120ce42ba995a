"""Which windows an event touches, and what a window's sums mean. Pure; driven by event time alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dissonance.contracts.policy import Policy
from dissonance.ports.store import Window, WindowFigures

SECOND_US = 1_000_000


class Range(NamedTuple):
    """Event time `[start_us, end_us)`."""

    start_us: int
    end_us: int


def touched(event_times_us: Iterable[int], policy: Policy) -> list[Range]:
    """The windows of `window_s` seconds, counted from 1970, that hold these times, in order.

    >>> touched([5_000_000], Policy(window_s=10))
    [Range(start_us=0, end_us=10000000)]
    """
    width = policy.window_s * SECOND_US
    return [Range(i * width, (i + 1) * width) for i in sorted({time_us // width for time_us in event_times_us})]


def is_closed(window: Range, latest_event_time_us: int, policy: Policy) -> bool:
    """The watermark (the latest event time seen, less `window_watermark_s`) has passed the window's end."""
    return latest_event_time_us - policy.window_watermark_s * SECOND_US >= window.end_us


def window_id(task_id: str, window: Range) -> str:
    """One id per task and range, the same on every replica and at every restatement."""
    return f"{task_id}-{window.start_us}-{window.end_us}"


def evaluated(task_id: str, window: Range, figures: WindowFigures, *, closed: bool) -> Window:
    """Means over the window; `figures.rows` must be at least 1. The store counts the revision up from 0."""
    return Window(
        window_id=window_id(task_id, window),
        task_id=task_id,
        start_us=window.start_us,
        end_us=window.end_us,
        revision=0,
        rows=figures.rows,
        labelled=figures.labelled,
        mean_doubt=1.0 - figures.sum_confidence / figures.rows,
        mean_dissonance=figures.sum_dissonance / figures.rows,
        share_over_target=figures.over_target / figures.rows,
        estimated_accuracy=figures.sum_confidence / figures.rows,
        realised_accuracy=figures.right / figures.labelled if figures.labelled else None,
        closed=closed,
    )
