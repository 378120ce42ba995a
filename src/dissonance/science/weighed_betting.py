"""The confidence sequence of `betting` for labels that were asked for with unequal chances.

A label that was asked for with chance π stands for 1/π inputs (Horvitz and Thompson 1952). Whoever believes that the
mean difference of all inputs is at most m believes that the mean of w (d - m) over the labels is at most 0, with w
proportional to 1/π: so that is bet against. Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro, "Anytime-valid
off-policy inference for contextual bandits" (ACM/IMS Journal of Data Science 1, 2024), who clip weights that may grow
without bound. Here the chances are known, and the smallest of them is the unit: weights are 1 at most, no bet can lose
more than its stake, and nothing is clipped.
"""

from __future__ import annotations

from math import inf, log
from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Vector
from dissonance.science.betting import HALVINGS, SHARES
from dissonance.science.proportions import Interval


class WeighedPairs(NamedTuple):
    """Paired differences in k groups of one weight each, (k,): `weights` in (0, 1]; how many differences of each group
    were 1 (`gained`), -1 (`lost`) and 0 (`same`)."""

    weights: Vector
    gained: Vector
    lost: Vector
    same: Vector

    @property
    def mean(self) -> float:
        """The weighed mean difference, in [-1, 1], of at least one."""
        return float(self.weights @ (self.gained - self.lost) / (self.weights @ (self.gained + self.lost + self.same)))

    @property
    def mirrored(self) -> WeighedPairs:
        """Held against each other the other way round."""
        return self._replace(gained=self.lost, lost=self.gained)


def weighed_log_wealth(pairs: WeighedPairs, mean: float) -> float:
    """As `betting.log_wealth`, in nats; with all weights 1 the same.

    >>> one = WeighedPairs(np.ones(1), np.array([30.0]), np.array([0.0]), np.array([70.0]))
    >>> round(weighed_log_wealth(one, 0.0), 2)
    16.64
    """
    if mean <= -1.0:
        return inf if pairs.lost.sum() < (pairs.gained + pairs.lost + pairs.same).sum() else 0.0
    stakes = np.outer(SHARES, pairs.weights)
    up, same = np.log1p(stakes * (1.0 - mean) / (1.0 + mean)), np.log1p(-stakes * mean / (1.0 + mean))
    logs = up @ pairs.gained + same @ pairs.same + np.log1p(-stakes) @ pairs.lost
    most = logs.max()
    return float(most + np.log(np.exp(logs - most).mean()))


def weighed_surely_above(pairs: WeighedPairs, mean: float, level: float = 0.05) -> bool:
    """Whether `weighed_sequence` lies above `mean`; so it does, at any number of labels ever, with probability
    `level` / 2 at most where the true mean over all inputs is `mean` or less."""
    return weighed_log_wealth(pairs, mean) >= log(2.0 / level)


def weighed_sequence(pairs: WeighedPairs, level: float = 0.05) -> Interval:
    """For the mean difference over all inputs, of at least one label; within [-1, 1].

    >>> one = WeighedPairs(np.ones(1), np.array([60.0]), np.array([20.0]), np.array([120.0]))
    >>> [round(bound, 3) for bound in weighed_sequence(one)]
    [0.2, 0.053, 0.343]
    """
    return Interval(pairs.mean, _low(pairs, level), -_low(pairs.mirrored, level))


def effective_counts(pairs: WeighedPairs) -> tuple[float, float, float]:
    """Gained, lost and all of as many equally weighed labels as these are worth (Kish 1965): n = (Σw)² / Σw²."""
    counts = pairs.gained + pairs.lost + pairs.same
    total = float(pairs.weights @ counts)
    n = total**2 / float(pairs.weights**2 @ counts)
    return n * float(pairs.weights @ pairs.gained) / total, n * float(pairs.weights @ pairs.lost) / total, n


def _low(pairs: WeighedPairs, level: float) -> float:
    """The largest mean that is bet against with success."""
    below, above = -1.0, pairs.mean
    for _ in range(HALVINGS):
        middle = 0.5 * (below + above)
        if weighed_surely_above(pairs, middle, level):
            below = middle
        else:
            above = middle
    return below
