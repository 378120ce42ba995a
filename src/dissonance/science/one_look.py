"""One look, at a time that was set before, at whether one model is worse than another by some margin.

The score test of Tango, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design" (Statistics in Medicine 17, 1998): the difference of paired proportions over its standard error if
the margin were the truth. It needs fewer labels than a sequence that may be looked at ever so often, and may be asked
once.
"""

from __future__ import annotations

from math import inf, sqrt


def score_above(gained: float, lost: float, n: float, margin: float) -> float:
    """Standard errors by which the mean of n ≥ 1 differences, of which `gained` are 1 and `lost` -1, lies above
    -`margin`, in [0, 1]; infinite where the margin leaves no room for doubt.

    >>> round(score_above(0, 0, 250, 0.015), 2), round(score_above(10, 30, 250, 0.015), 2)
    (1.95, -2.62)
    """
    linear = 2.0 * n * -margin - (gained + lost) + margin * (gained - lost)
    losing = (sqrt(max(0.0, linear * linear - 8.0 * n * lost * margin * (1.0 + margin))) - linear) / (4.0 * n)
    spread = n * (2.0 * max(losing, margin) - margin * (1.0 + margin))
    above = gained - lost + n * margin
    if spread <= 0.0:
        return inf if above > 0.0 else 0.0
    return above / sqrt(spread)
