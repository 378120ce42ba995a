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
    """`target`: a usual window's mean dissonance stays below it; `maximum`: a usual row's does. In [0, 1]."""

    target: float
    maximum: float


def reference_thresholds(
    dissonances: Vector, *, window_rows: int, target_cap: float, maximum_cap: float, seed: int
) -> Thresholds:
    """From out-of-fold D of reference rows, (n,).

    `target` is the 0.95 quantile of the means of windows of `window_rows` rows drawn with replacement, `maximum`
    the 0.999 quantile of the rows; neither is above its cap.

    >>> reference_thresholds(np.full(50, 0.1), window_rows=10, target_cap=0.12, maximum_cap=0.5, seed=1)
    Thresholds(target=0.1, maximum=0.1)
    """
    generator = np.random.default_rng(seed)
    means = [float(dissonances[generator.integers(len(dissonances), size=window_rows)].mean()) for _ in range(WINDOWS)]
    return Thresholds(
        target=round(min(target_cap, float(np.quantile(means, TARGET_QUANTILE))), 6),
        maximum=round(min(maximum_cap, float(np.quantile(dissonances, MAXIMUM_QUANTILE))), 6),
    )
