"""A slice of the inputs, labels of rows, and the errors that were expected of them: what searches for changes share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from dissonance.science.arrays import Mask, Matrix, Vector

LEAST_ROWS, LEAST_SHARE = 10, 0.04
"""Of the labels, in a slice: fewer say nothing."""
MOST_CATEGORIES = 50
"""A category of more values is not split on."""
CERTAIN = 1e-3
"""Expected errors are cut to [CERTAIN, 1 - CERTAIN]: one surprise where none was thought possible is no slice."""
STEPS = 25  # of Newton's method, each at most 1 in log-odds


class Checked(NamedTuple):
    """Labelled rows: features (n, d), whether the model was wrong (n,), the error that was expected of it (n,), in
    [0, 1], and the propensity (n,), in (0, 1], with which the label was asked for; None where all are alike."""

    features: Matrix
    wrong: Vector
    expected: Vector
    propensities: Vector | None = None

    def at(self, rows: Mask) -> Checked:
        asked = None if self.propensities is None else self.propensities[rows]
        return Checked(self.features[rows], self.wrong[rows], self.expected[rows], asked)

    @property
    def n(self) -> int:
        return len(self.wrong)

    @property
    def least(self) -> int:
        """Rows that a slice has at least."""
        return max(LEAST_ROWS, int(LEAST_SHARE * self.n))

    @property
    def weights(self) -> Vector:
        """(n,), by inverse propensity, mean 1."""
        if self.propensities is None:
            return np.ones(self.n)
        weights = 1.0 / self.propensities
        return np.asarray(weights / weights.mean())


class Condition(NamedTuple):
    """`column` is above `bound`, or not; a category is its code, or not. `holds`: which of the two. `missing`: whether
    rows without a number are inside."""

    column: int
    bound: float
    is_category: bool
    holds: bool
    missing: bool = False

    def inside(self, features: Matrix) -> Mask:
        values = features[:, self.column]
        if self.is_category:
            return np.asarray((values == self.bound) == self.holds)
        return np.asarray(np.where(np.isnan(values), self.missing, (values > self.bound) == self.holds))


class ChangedSlice(NamedTuple):
    """Rows in which all `conditions` hold. `excess`: share wrong beyond what was expected, by inverse propensity;
    `p_value`: of a slice as good by chance, over all that was searched."""

    conditions: tuple[Condition, ...]
    rows: int
    excess: float
    p_value: float

    def inside(self, features: Matrix) -> Mask:
        """(n, d) to (n,)."""
        return inside_all(self.conditions, features)


def inside_all(conditions: tuple[Condition, ...], features: Matrix) -> Mask:
    """(n, d) to (n,)."""
    inside: Mask = np.ones(len(features), dtype=np.bool_)
    for condition in conditions:
        inside = inside & condition.inside(features)
    return inside


def shifted(expected: Vector, wrong: Vector, weights: Vector, certain: float = CERTAIN) -> Vector:
    """Expected errors, all moved alike in log-odds, so that their mean is the share that was wrong (half a row added to
    either side). An error that is larger everywhere is the business of the estimates, not of a slice. They are cut to
    [certain, 1 - certain] first."""
    odds = logit(np.clip(expected, certain, 1.0 - certain))
    wanted = (weights @ wrong + 0.5) / (weights.sum() + 1.0)
    shift = 0.0
    for _ in range(STEPS):
        now = expit(odds + shift)
        shift += np.clip(
            (wanted - np.average(now, weights=weights)) / np.average(now * (1.0 - now), weights=weights), -1, 1
        )
    return np.asarray(expit(odds + shift))
