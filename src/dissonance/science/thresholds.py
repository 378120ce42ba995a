"""How much dissonance is usual: limits from quantiles on undisturbed reference rows (design section 2, policy).

The policy's defaults are caps, since by themselves they never bind.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Vector

WINDOWS = 2000
"""Bootstrap windows (Efron 1979) whose mean dissonance is looked at."""

TARGET_QUANTILE = 0.95
MAXIMUM_QUANTILE = 0.999


class Thresholds(NamedTuple):
    """`target`: a usual window's mean dissonance stays below it; `maximum`: a usual row's does; `doubt`: a usual row's
    doubt stays below it. In [0, 1]."""

    target: float
    maximum: float
    doubt: float


class Caps(NamedTuple):
    """None of the thresholds is above its cap."""

    target: float
    maximum: float
    doubt: float


def reference_thresholds(dissonances: Vector, doubts: Vector, *, window_rows: int, caps: Caps, seed: int) -> Thresholds:
    """From out-of-fold D and 1 - c of reference rows, (n,) each.

    `target` is the 0.95 quantile of the means of windows of `window_rows` rows drawn with replacement, `maximum` and
    `doubt` are the 0.999 quantiles of the rows.

    >>> reference_thresholds(np.full(9, 0.1), np.full(9, 0.3), window_rows=5, caps=Caps(0.12, 0.5, 0.95), seed=1)
    Thresholds(target=0.1, maximum=0.1, doubt=0.3)
    """
    generator = np.random.default_rng(seed)
    means = [float(dissonances[generator.integers(len(dissonances), size=window_rows)].mean()) for _ in range(WINDOWS)]
    return Thresholds(
        target=round(min(caps.target, float(np.quantile(means, TARGET_QUANTILE))), 6),
        maximum=round(min(caps.maximum, float(np.quantile(dissonances, MAXIMUM_QUANTILE))), 6),
        doubt=round(min(caps.doubt, float(np.quantile(doubts, MAXIMUM_QUANTILE))), 6),
    )
