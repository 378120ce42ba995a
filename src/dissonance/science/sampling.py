"""Which inputs to ask people about: Poisson sampling with permanent random numbers (Hájek 1964; Ohlsson 1995).

Every input is drawn on its own, twice: for the random check with the same chance for all, and by choice. The choice
is a policy between two ends. For accuracy: the least sure inputs (margin sampling; Scheffer et al. 2001). For log loss:
even, since what the model is wrongly sure of is nowhere near the boundary. The propensity of an input is its chance to
be asked at all, so that labels can be weighed by its inverse (Horvitz and Thompson 1952; Zrnic and Candès 2024), and
depends on nothing that a label said. Numbers in [0, 1) that stay with an input make repeats and replicas draw the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Vector

WITHIN = 1.0
"""Share of the traffic, at random, that the least sure are looked for in. On a random half of it, so that labels do not
pile up on one spot of the boundary, as many labels were needed for accuracy (ADR 31)."""

LEAST_EVEN = 0.05
"""Share of the budget that is spent evenly whatever the policy says, random check included: no input is without a
chance."""


class Propensities(NamedTuple):
    """n inputs, each in (0, 1]: of the random check, and of being asked at all."""

    random: Vector
    asked: Vector


class Spending(NamedTuple):
    """Where a budget goes, in inputs of a day: the random check, the even and the least sure part of the choice."""

    random: float
    even: float
    least_sure: float


class LeastSure(NamedTuple):
    """Inputs at most `sureness` sure are asked about with chance `chance`, from [0, 1] each, beside the even part."""

    sureness: float
    chance: float


def sureness(confidences: Vector) -> Vector:
    """How sure an answer is to be right, or to be wrong: |2c - 1|, (n,), in [0, 1]; with two classes the margin.

    >>> sureness(np.array([0.5, 1.0, 0.0])).tolist()
    [0.0, 1.0, 1.0]
    """
    return np.asarray(np.abs(2.0 * confidences - 1.0))


def spending(budget: float, *, random_share: float, accuracy_share: float) -> Spending:
    """`random_share` of the budget to the random check; of the rest `accuracy_share` to the least sure.

    >>> spending(100.0, random_share=0.2, accuracy_share=0.5)
    Spending(random=20.0, even=40.0, least_sure=40.0)
    """
    choice = 1.0 - random_share
    even = min(choice, max(choice * (1.0 - accuracy_share), LEAST_EVEN - random_share))
    return Spending(budget * random_share, budget * even, budget * (choice - even))


def rank_of_least_sure(spent: Spending, within: float = WITHIN) -> int:
    """How many of a day's inputs, the least sure ones, are looked among, on a share `within` of the traffic; 0 where
    none are."""
    return int(np.ceil(spent.least_sure / within))


def least_sure(spent: Spending, expected_inputs: float, at: float, up_to: float, within: float = WITHIN) -> LeastSure:
    """`at`: the sureness of the input at `rank_of_least_sure` in a day of `expected_inputs`; `up_to`: how many inputs
    of that day are at most so sure, more than the rank where many are equally sure.

    >>> least_sure(Spending(20.0, 0.0, 80.0), 1_000, at=0.3, up_to=80)
    LeastSure(sureness=0.3, chance=1.0)
    """
    if not spent.least_sure:
        return LeastSure(0.0, 0.0)
    if spent.least_sure > within * expected_inputs:
        return LeastSure(1.0, min(1.0, spent.least_sure / expected_inputs))
    return LeastSure(at, min(within, spent.least_sure / up_to))


def propensities(sure: Vector, spent: Spending, expected_inputs: float, chosen: LeastSure) -> Propensities:
    """For inputs so `sure`, (n,), of a day of `expected_inputs` > 0: on average what is `spent` is asked about.

    >>> spent = spending(10.0, random_share=0.5, accuracy_share=0.0)
    >>> propensities(np.ones(2), spent, 100, LeastSure(0.0, 0.0)).random.tolist()
    [0.05, 0.05]
    """
    random = np.full(len(sure), min(1.0, spent.random / expected_inputs))
    even = spent.even / expected_inputs
    choice = np.minimum(1.0, even + np.where(sure <= chosen.sureness, chosen.chance, 0.0))
    return Propensities(random, 1.0 - (1.0 - random) * (1.0 - choice))


def chosen_only(drawn: Propensities) -> Vector:
    """The probability of the second draw alone, (n,)."""
    left = 1.0 - drawn.random
    return np.asarray(np.divide(drawn.asked - drawn.random, left, out=np.ones_like(left), where=left > 0.0))
