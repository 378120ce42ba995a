"""How much wider an interval must be to hold at every number of labels at once, looked at ever so often.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences" (Annals of Statistics 2024), theorems 2.2 and 2.5: where an interval for
one look takes z standard errors, it takes sqrt(2 (n r² + 1) / (n r²) · ln(sqrt(n r² + 1) / level)).
"""

from __future__ import annotations

from math import log, sqrt

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
