"""A confidence sequence: an interval for a mean that holds at every number of rows at once, looked at ever so often.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences" (Annals of Statistics 2024), theorem 2.2: its half is
sd · sqrt(2 (n r² + 1) / (n² r²) · ln(sqrt(n r² + 1) / level)), narrowest near `TIGHTEST` rows.
"""

from __future__ import annotations

from math import log, sqrt

from dissonance.science.proportions import Interval

TIGHTEST = 200
"""Rows at which the interval is to be narrowest."""


def paired_sequence(gained: int, lost: int, n: int, level: float = 0.05) -> Interval:
    """For the mean of n ≥ 1 differences, of which `gained` are 1, `lost` -1 and the others 0; within [-1, 1].

    One row is added to each side before the spread is taken, so that the first rows cannot look certain.

    >>> [round(bound, 3) for bound in paired_sequence(60, 20, 200)]
    [0.2, 0.07, 0.33]
    """
    mean = (gained - lost) / n
    up, down, rows = gained + 1.0, lost + 1.0, n + 2.0
    spread = (up + down) / rows - ((up - down) / rows) ** 2
    r2 = _best(level)
    scale = 2.0 * (n * r2 + 1.0) / (n * n * r2) * log(sqrt(n * r2 + 1.0) / level)
    half = sqrt(spread * scale)
    return Interval(mean, max(-1.0, mean - half), min(1.0, mean + half))


def _best(level: float) -> float:
    """The r² for which the interval is narrowest at `TIGHTEST` rows (their equation 10)."""
    return (-2.0 * log(level) + log(-2.0 * log(level) + 1.0)) / TIGHTEST
