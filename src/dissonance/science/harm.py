"""Is the model worse on this window, by more than it may be? A test of the estimated drop, not of shift.

The drop is the critic's mean belief on held-out source rows minus that on the window. How far it strays when nothing
moved is found by bootstrap (Efron 1979): windows and references of the same sizes are drawn from the source rows'
beliefs, so that the level holds at every size, the reference's own chance included. A shift that leaves the answers as
sure as before moves nothing here, however plain it is (Podkopaev and Ramdas 2022 test harm instead of shift, too).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.errors import InputError
from dissonance.science.arrays import Vector

LEVEL = 0.05
"""A window whose p-value is at most this is worse."""
DRAWS = 2000
NULLS_KEPT = 8
AT_ONCE = 2_000_000
"""Random numbers held at a time."""


class HarmNull(NamedTuple):
    """`drops`: (draws,) sorted, estimated drops of windows of `rows` rows when nothing moved; `belief`: mean c of the
    source rows."""

    rows: int
    belief: float
    drops: Vector

    def critical(self, level: float) -> float:
        """The drop that windows without harm exceed with probability `level`."""
        return float(np.quantile(self.drops, 1.0 - level, method="higher"))


class HarmTest(NamedTuple):
    """`drop`: in [-1, 1], above 0 where the window is worse. `p_value`: of a drop at most the margin, in (0, 1]."""

    drop: float
    p_value: float


class SourceBeliefs(NamedTuple):
    """What windows of any size are held against, drawn once: `beliefs` (n,), c of the source rows, and `means`
    (draws,), the mean c of references of n rows drawn from them."""

    beliefs: Vector
    means: Vector
    seed: int

    def null(self, rows: int) -> HarmNull:
        """Of windows of so many rows; always the same."""
        generator = np.random.default_rng([self.seed, rows])
        drops = self.means - _means(self.beliefs, rows, len(self.means), generator)
        return HarmNull(rows, float(self.beliefs.mean()), np.sort(drops))


def source_beliefs(beliefs: Vector, *, seed: int, draws: int = DRAWS) -> SourceBeliefs:
    """`beliefs`: (n,) c of source rows that neither proposer nor critic was fitted on (out of fold will do)."""
    return SourceBeliefs(beliefs, _means(beliefs, len(beliefs), draws, np.random.default_rng(seed)), seed)


class Nulls(NamedTuple):
    """For windows that come one after the other: the nulls of the sizes that came last, the last first."""

    source: SourceBeliefs
    latest: tuple[HarmNull, ...] = ()

    def of(self, rows: int) -> Nulls:
        """With the null of this size in front, drawn if it is not kept.

        >>> nulls = Nulls(source_beliefs(np.linspace(0.5, 1.0, 400), seed=1)).of(50).of(60)
        >>> [null.rows for null in nulls.of(50).latest]
        [50, 60]
        """
        null = next((each for each in self.latest if each.rows == rows), None) or self.source.null(rows)
        others = [each for each in self.latest if each is not null]
        return Nulls(self.source, (null, *others)[:NULLS_KEPT])


def harm_test(null: HarmNull, beliefs: Vector, *, margin: float) -> HarmTest:
    """`beliefs`: c of the window's `null.rows` rows; `margin`: a drop that is no harm, 0 or more. Raises `InputError`
    for a window of another size.

    >>> null = source_beliefs(np.linspace(0.5, 1.0, 400), seed=1).null(50)
    >>> harm_test(null, np.full(50, 0.6), margin=0.01).p_value < 0.001
    True
    """
    if len(beliefs) != null.rows:
        raise InputError(
            f"a window of {len(beliefs)} rows is held against windows of {null.rows}",
            where="harm",
            fix="give the null of its number of rows",
        )
    drop = null.belief - float(beliefs.mean())
    as_far = len(null.drops) - int(np.searchsorted(null.drops, drop - margin, side="left"))
    return HarmTest(drop, (as_far + 1.0) / (len(null.drops) + 1.0))


def _means(values: Vector, rows: int, draws: int, generator: np.random.Generator) -> Vector:
    means = np.empty(draws)
    step = max(1, AT_ONCE // rows)
    for start in range(0, draws, step):
        count = min(step, draws - start)
        means[start : start + count] = values[generator.integers(len(values), size=(count, rows))].mean(axis=1)
    return means
