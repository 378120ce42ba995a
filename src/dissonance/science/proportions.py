"""Intervals of a proportion, and of the difference of two that were counted on the same rows.

Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference". Agresti, A. & Min, Y.
(2005), "Simple improved confidence intervals for comparing matched proportions".
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from dissonance.errors import InputError


class Interval(NamedTuple):
    """`low` <= `estimate` <= `high`."""

    estimate: float
    low: float
    high: float


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion of `n` >= 1 independent rows; inside [0, 1], also at 0 and n successes.

    >>> interval = wilson_interval(80, 100)
    >>> [round(bound, 3) for bound in interval]
    [0.8, 0.711, 0.867]
    """
    _check(0 <= successes <= n and n >= 1, f"{successes} successes of {n}")
    z = _z(confidence)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def paired_difference(gained: int, lost: int, n: int, confidence: float = 0.95) -> Interval:
    """Change of a proportion on the same `n` >= 1 rows, of which `gained` turned to success and `lost` from it.

    The interval is Wald's with half a row added to each cell of the 2 x 2 table, as Agresti and Min advise.

    >>> [round(bound, 3) for bound in paired_difference(30, 10, 200)]
    [0.1, 0.038, 0.16]
    """
    _check(min(gained, lost) >= 0 and gained + lost <= n and n >= 1, f"{gained} gained and {lost} lost of {n}")
    up, down, all_rows = gained + 0.5, lost + 0.5, n + 2.0
    centre = (up - down) / all_rows
    half = _z(confidence) * sqrt(max(0.0, up + down - (up - down) ** 2 / all_rows)) / all_rows
    estimate = (gained - lost) / n
    return Interval(estimate, max(-1.0, min(estimate, centre - half)), min(1.0, max(estimate, centre + half)))


def _z(confidence: float) -> float:
    # Loads for a tenth of a second, and who only reads what was decided computes no interval.
    from scipy.special import ndtri

    _check(0.0 < confidence < 1.0, f"a confidence of {confidence}")
    return float(ndtri(0.5 + confidence / 2.0))


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise InputError(f"{what} has no interval", where="proportions", fix="give counts of the same rows")
