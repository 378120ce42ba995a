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


def row_window_id(task_id: str, start_us: int) -> str:
    """Of a window by rows: its end is not known while it is open."""
    return f"{task_id}-rows-{start_us}"


def evaluated(task_id: str, name: str, window: Range, figures: WindowFigures, *, closed: bool) -> Window:
    """Means over the window, without its slices; `figures.rows` is at least 1. The store counts the revision up."""
    return Window(
        window_id=name,
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
        estimated_error=standard_error(figures),
        random_checked=figures.random_labelled,
        random_right=figures.random_right,
        both_wrong=figures.random_both_wrong,
        mean_label_delay_s=figures.sum_delay_us / figures.labelled / SECOND_US if figures.labelled else None,
    )


def standard_error(figures: WindowFigures) -> float:
    """Of mean c over the window as an estimate for traffic like it: sd(c) / sqrt(n).

    From the sums that the store makes: the sum of c squared is that of c less that of c (1 - c).

    >>> round(standard_error(WindowFigures(2, 0, 0, 1.0, 0.0, 0, sum_variance=0.0)), 6)
    0.353553
    """
    n, mean = figures.rows, figures.sum_confidence / figures.rows
    variance = max(0.0, (figures.sum_confidence - figures.sum_variance) / n - mean * mean)
    return float((variance / n) ** 0.5)
