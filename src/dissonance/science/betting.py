"""A confidence sequence for the mean of paired differences, by betting: it holds at every number of labels at once,
from the first on, looked at ever so often.

Whoever believes that the mean difference is at most m is bet against: a share s of a wealth of 1 is staked at each
label, at odds that are fair if they are right. The wealth is then a martingale that reaches 1/level with probability
`level` at most (Ville 1939), however often one looks, and for every n, not only for many. As no share suits all truths,
the wealth is spread over some. Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting"
(Journal of the Royal Statistical Society B 86, 2024), section 4; Orabona and Jun, "Tight concentrations and confidence
sequences from the regret of universal portfolio" (IEEE Transactions on Information Theory 70, 2024), for the mixture.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, log

import numpy as np

from dissonance.science.arrays import Vector
from dissonance.science.proportions import Interval

SHARES = np.geomspace(0.002, 0.95, 32)
"""Of the wealth that are staked; small ones for many labels and small differences, large ones for few and large."""

HALVINGS = 24


def log_wealth(gained: int, lost: int, n: int, mean: float) -> float:
    """Log of what betting against "the mean is at most `mean`" has made of 1, in nats, after n differences
    of which `gained` were 1, `lost` -1 and the others 0; their order does not matter.

    >>> round(log_wealth(30, 0, 100, 0.0), 2), round(log_wealth(0, 30, 100, 0.0), 2)
    (16.64, -0.99)
    """
    if mean <= -1.0:
        return inf if lost < n else 0.0
    up, same, down = _log_factors(mean)
    logs = gained * up + (n - gained - lost) * same + lost * down
    most = logs.max()
    return float(most + np.log(np.exp(logs - most).mean()))


@lru_cache(maxsize=64)
def _log_factors(mean: float) -> tuple[Vector, Vector, Vector]:
    """What a difference of 1, 0 or -1 adds to the log of each share of the wealth. Few means are asked about often."""
    kept, odds = 1.0 - SHARES, SHARES / (1.0 + mean)
    return np.log(kept + 2.0 * odds), np.log(kept + odds), np.log(kept)


def surely_above(gained: int, lost: int, n: int, mean: float, level: float = 0.05) -> bool:
    """Whether `paired_sequence` lies above `mean`; so it does, at any n ever, with probability `level` / 2 at most
    where the true mean is `mean` or less.

    >>> surely_above(60, 20, 200, 0.0), surely_above(20, 20, 200, 0.0)
    (True, False)
    """
    return log_wealth(gained, lost, n, mean) >= log(2.0 / level)


def paired_sequence(gained: int, lost: int, n: int, level: float = 0.05) -> Interval:
    """For the mean of n ≥ 1 differences, of which `gained` are 1, `lost` -1 and the others 0; within [-1, 1].

    >>> [round(bound, 3) for bound in paired_sequence(60, 20, 200)]
    [0.2, 0.053, 0.343]
    """
    low, high = _low(gained, lost, n, level), -_low(lost, gained, n, level)
    return Interval((gained - lost) / n, low, high)


def _low(gained: int, lost: int, n: int, level: float) -> float:
    """The largest mean that is bet against with success: the wealth falls as the mean that is bet against rises."""
    below, above = -1.0, (gained - lost) / n
    for _ in range(HALVINGS):
        middle = 0.5 * (below + above)
        if surely_above(gained, lost, n, middle, level):
            below = middle
        else:
            above = middle
    return below
