"""Which inputs to ask people about: Poisson sampling with permanent random numbers (Hájek 1964; Ohlsson 1995).

Every input is drawn on its own, twice: for the random check with the same probability for all, and by how unsure the
model's answer is. Its propensity is the probability of being asked at all, so that labels can be weighed by its
inverse (Horvitz and Thompson 1952; Zrnic and Candès 2024). Numbers in [0, 1) that stay with an input make repeats and
replicas draw the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Vector

LEAST_INTEREST = 0.05
"""No input is without a chance."""


class Propensities(NamedTuple):
    """n inputs, each in (0, 1]: of the random check, and of being asked at all."""

    random: Vector
    asked: Vector


def interest(confidences: Vector) -> Vector:
    """How unsure an answer is: 4 c (1 - c), at least `LEAST_INTEREST`, at most 1, (n,).

    >>> interest(np.array([0.5, 1.0])).tolist()
    [1.0, 0.05]
    """
    return np.asarray(np.maximum(4.0 * confidences * (1.0 - confidences), LEAST_INTEREST))


def propensities(
    interests: Vector, *, budget: float, expected_inputs: float, mean_interest: float, random_share: float
) -> Propensities:
    """`budget` inputs of the `expected_inputs` (both of a day, above 0) are asked about on average, `random_share` of
    them at random; of the rest each in proportion to its interest over `mean_interest`.

    >>> propensities(np.ones(2), budget=10, expected_inputs=100, mean_interest=1.0, random_share=0.5).random.tolist()
    [0.05, 0.05]
    """
    rate = budget / expected_inputs
    random = np.full(len(interests), min(1.0, random_share * rate))
    chosen = np.minimum(1.0, (1.0 - random_share) * rate * interests / mean_interest)
    return Propensities(random, 1.0 - (1.0 - random) * (1.0 - chosen))


def chosen_only(drawn: Propensities) -> Vector:
    """The probability of the second draw alone, (n,)."""
    left = 1.0 - drawn.random
    return np.asarray(np.divide(drawn.asked - drawn.random, left, out=np.ones_like(left), where=left > 0.0))
