"""Is it flat? Pure: what was measured by rows handled in, how fast it grows out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import theilslopes

WARM_UP = 0.2
"""Share of the run in which caches, pools and the database's shared memory still fill."""

BLOCKS = 20
"""Neighbouring samples are alike; their medians, by so many blocks, say less than all samples pretend to."""

LEAST_BLOCKS = 4
PER_ROWS = 100_000


class Trend(NamedTuple):
    """`slope`, with a 95 % interval from `low` to `high`: growth per 100,000 rows after warm-up, in the unit of the
    values. `growth`: of the last half of the run, as a share of the median there."""

    slope: float
    low: float
    high: float
    growth: float


def trend(rows: Sequence[float], values: Sequence[float]) -> Trend | None:
    """The slope of Theil (1950) and Sen (1968, Journal of the American Statistical Association 63), the median of all
    slopes between two blocks, which a training that takes memory for some seconds does not bend. None while there are
    fewer than `LEAST_BLOCKS` samples in the last half.

    `rows` (n,): rows handled at each sample, rising; `values` (n,).

    >>> trend([0, 250_000, 500_000, 750_000, 1_000_000, 1_250_000, 1_500_000, 1_750_000], [8.0] * 8).growth
    0.0
    """
    x, y = np.asarray(rows, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if not len(x):
        return None
    half = x >= x[-1] / 2
    if half.sum() < LEAST_BLOCKS or x[half][-1] == x[half][0]:
        return None
    warm = x >= WARM_UP * x[-1]
    whole, last = _fit(x[warm], y[warm]), _fit(x[half], y[half])
    middle = float(np.median(y[half]))
    growth = float(last[0]) * (x[half][-1] - x[half][0]) / middle if middle else 0.0
    slope, low, high = (float(value) * PER_ROWS for value in whole)
    return Trend(slope, low, high, float(growth))


def _fit(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Slope, and the bounds of its 95 % interval, of the medians of blocks."""
    parts = np.array_split(np.arange(len(x)), min(BLOCKS, len(x)))
    fitted = theilslopes([float(np.median(y[part])) for part in parts], [float(np.median(x[part])) for part in parts])
    return float(fitted[0]), float(fitted[2]), float(fitted[3])
