"""Confidence sequences: intervals for a mean that hold at every number of labels at once, looked at ever so often.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences" (Annals of Statistics 2024), theorems 2.2 and 2.5: where an interval for
one look takes z standard errors, it takes sqrt(2 (n r² + 1) / (n r²) · ln(sqrt(n r² + 1) / level)).
"""

from __future__ import annotations

from math import log, sqrt

from dissonance.science.proportions import Interval

TIGHTEST = 200
"""Labels at which the interval is to be narrowest."""


def errors_at_any_time(n: float, level: float = 0.05, tightest: float = TIGHTEST) -> float:
    """How many standard errors an interval must reach to hold at every n > 0 at once, n being the labels so far or
    the number of them that was to be expected; more than 1.

    >>> [round(errors_at_any_time(n), 2) for n in (20, 200, 20_000)]
    [3.86, 3.04, 3.56]
    """
    r2 = (-2.0 * log(level) + log(-2.0 * log(level) + 1.0)) / tightest  # their equation 10
    return sqrt(2.0 * (n * r2 + 1.0) / (n * r2) * log(sqrt(n * r2 + 1.0) / level))


def paired_sequence(gained: int, lost: int, n: int, level: float = 0.05) -> Interval:
    """For the mean of n ≥ 1 differences, of which `gained` are 1, `lost` -1 and the others 0; within [-1, 1].

    One row is added to each side before the spread is taken, so that the first rows cannot look certain.

    >>> [round(bound, 3) for bound in paired_sequence(60, 20, 200)]
    [0.2, 0.07, 0.33]
    """
    mean = (gained - lost) / n
    up, down, rows = gained + 1.0, lost + 1.0, n + 2.0
    spread = (up + down) / rows - ((up - down) / rows) ** 2
    half = sqrt(spread / n) * errors_at_any_time(n, level)
    return Interval(mean, max(-1.0, mean - half), min(1.0, mean + half))
