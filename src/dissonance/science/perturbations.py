"""Small disturbances of inputs, and how many answers they turn.

A number moves by normal noise in units of its column's spread, a category is forgotten at times: what bad sensors,
rounding and lost fields do to inputs. An accurate model that answers otherwise for it is brittle (Hendrycks and
Dietterich 2019; Djolonga et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Classes, Matrix, Vector

QUARTILES_APART = 1.349
"""Of a normal distribution, in standard deviations."""


class Noise(NamedTuple):
    """`spread`: of a number's column, 0 or more. `forgotten`: share of the categories that go missing, 0 to 1."""

    spread: float
    forgotten: float


class Turned(NamedTuple):
    """For each of n rows, over all draws: the share of answers that turned, and of right answers lost (negative: won).
    Both (n,)."""

    flips: Vector
    drop: Vector


def spreads(features: Matrix, category_sizes: Sequence[int]) -> Vector:
    """(d,): the distance of the quartiles in standard deviations of a normal distribution, which no outlier moves. 0 of
    a category, and of a number most of whose values are one and the same.

    >>> spreads(np.arange(5.0).reshape(-1, 1), (0,)).round(3).tolist()
    [1.483]
    """
    found = np.zeros(features.shape[1])
    for column, size in enumerate(category_sizes):
        values = features[:, column][~np.isnan(features[:, column])]
        if size == 0 and len(values):
            low, high = np.quantile(values, (0.25, 0.75))
            found[column] = (high - low) / QUARTILES_APART
    return found


def disturbed(
    features: Matrix, category_sizes: Sequence[int], whole: Sequence[bool], noise: Noise, generator: np.random.Generator
) -> Matrix:
    """A copy of (n, d): numbers moved (`whole` ones to a whole number), categories missing at times; what is missing
    stays so."""
    moved = features + generator.normal(size=features.shape) * noise.spread * spreads(features, category_sizes)
    forgotten = generator.random(features.shape) < noise.forgotten
    for column, size in enumerate(category_sizes):
        if size:
            moved[forgotten[:, column], column] = np.nan
        elif whole[column]:
            moved[:, column] = np.rint(moved[:, column])
    return moved


def turned(
    probabilities: Callable[[Matrix], Matrix], features: Matrix, classes: Classes, disturbances: Sequence[Matrix]
) -> Turned:
    """What a model does on each of the `disturbances`, at least one, of its (n, d) inputs."""
    answers = probabilities(features).argmax(axis=1)
    right = (answers == classes).astype(np.float64)
    flips, drop = np.zeros(len(features)), np.zeros(len(features))
    for each in disturbances:
        again = probabilities(each).argmax(axis=1)
        flips += (again != answers) / len(disturbances)
        drop += (right - (again == classes)) / len(disturbances)
    return Turned(flips, drop)
