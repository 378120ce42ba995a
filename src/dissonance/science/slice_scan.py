"""Every slice of one or two conditions, held against all labels at once: a Bayesian scan.

Inside a changed slice an error of probability e has become one of e + r (1 - 2e): a share r of the answers is no longer
what it was. The likelihood ratio of that to "nothing changed" counts a wrong answer for more where the model was sure
of itself (Kulldorff 1997, for a rate that is the same everywhere), and its mean over slices, shares and two levels of
the errors elsewhere is the evidence that there is a slice: a mean loses less to the number of slices than the largest
does (Chan 2009). Named is the likeliest slice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from dissonance.science.arrays import Mask, Matrix, Vector
from dissonance.science.slices import MOST_CATEGORIES, Checked, Condition, shifted

CHANGED_SHARES = (0.25, 0.5)
"""Of answers in a slice that are no longer what they were: r."""
CERTAIN = 0.02
"""Expected errors are cut to [CERTAIN, 1 - CERTAIN]: whoever labels errs, and no label may decide alone."""
MOST_CONDITIONS = 360
LEAST_BOUNDS, MOST_BOUNDS = 4, 12
"""Of a number, at quantiles that are evenly apart: fewer where there are many columns, to keep `MOST_CONDITIONS`."""

Table = NDArray[np.float32]
"""(m, m): of each pair of conditions, in the upper triangle; a condition alone on the diagonal."""


class Scan:
    """`inside` (n, m): which rows each condition holds for."""

    def __init__(self, rows: Checked, category_sizes: Sequence[int]) -> None:
        self.expected = rows.expected
        self.conditions, inside = _conditions(rows, category_sizes)
        self.inside: NDArray[np.float32] = inside.astype(np.float32)
        counts = np.triu(self._sums(np.ones(rows.n)))
        usable = (counts >= rows.least) & (counts < rows.n)
        alone = np.eye(len(counts), dtype=np.bool_)
        # One condition or two, at even odds, then any of either.
        before = np.full(counts.shape, -np.inf)
        for kind in (usable & alone, usable & ~alone):
            before[kind] = -np.log(2.0 * max(1, kind.sum()))
        self.before = before.astype(np.float32)

    def ratios(self, wrong: Vector) -> Table:
        """Of each slice, the logarithm of its likelihood ratio times its probability before; `wrong` (n,)."""
        ones = np.ones(len(wrong))
        moved = shifted(self.expected, wrong, ones, CERTAIN)
        levels = [moved]
        if moved.mean() > self.expected.mean():
            # Where a slice is what makes the errors more, they are elsewhere as they were expected.
            levels.append(np.clip(self.expected, CERTAIN, 1.0 - CERTAIN))
        nothing = _log_likelihood(moved, wrong).sum()
        found = [
            self._sums(_log_likelihood(_changed(error, share), wrong) - _log_likelihood(error, wrong))
            + np.float32(_log_likelihood(error, wrong).sum() - nothing)
            for error in levels
            for share in CHANGED_SHARES
        ]
        return np.asarray(logsumexp(np.stack(found), axis=0) - np.float32(np.log(len(found))) + self.before)

    def score(self, wrong: Vector) -> float:
        """Log odds of some slice to none, at even odds before."""
        return float(logsumexp(self.ratios(wrong)))

    def likeliest(self, wrong: Vector) -> tuple[Condition, ...]:
        ratios = self.ratios(wrong)
        one, other = np.unravel_index(int(np.argmax(ratios)), ratios.shape)
        return tuple(self.conditions[place] for place in dict.fromkeys((int(one), int(other))))

    def _sums(self, values: Vector) -> Table:
        """Of `values` (n,), over the rows of each slice."""
        return np.asarray(self.inside.T @ (self.inside * values.astype(np.float32)[:, None]))


def _changed(error: Vector, share: float) -> Vector:
    """An answer that is likelier wrong than right tells nothing of a change."""
    return np.asarray(error + share * np.maximum(1.0 - 2.0 * error, 0.0))


def _log_likelihood(error: Vector, wrong: Vector) -> Vector:
    return np.asarray(np.log(np.where(wrong > 0.0, error, 1.0 - error)))


def _conditions(rows: Checked, category_sizes: Sequence[int]) -> tuple[list[Condition], Mask]:
    """Those that hold for enough rows and leave enough out, no two the same ones: with (n, m)."""
    numbers = sum(size == 0 for size in category_sizes)
    codes = sum(size for size in category_sizes if size <= MOST_CATEGORIES)
    bounds = int(np.clip((MOST_CONDITIONS - 2 * codes) // max(1, 2 * numbers), LEAST_BOUNDS, MOST_BOUNDS))
    found = [
        Condition(column, float(bound), size > 0, holds)
        for column, size in enumerate(category_sizes)
        if size <= MOST_CATEGORIES
        for bound in (range(size) if size else _bounds(rows.features[:, column], bounds))
        for holds in (True, False)
    ]
    different: dict[bytes, tuple[Condition, Mask]] = {}
    for condition in found:
        inside = condition.inside(rows.features)
        if rows.least <= inside.sum() <= rows.n - rows.least:
            different.setdefault(inside.tobytes(), (condition, inside))
    if not different:
        return [], np.empty((rows.n, 0), dtype=np.bool_)
    conditions, masks = zip(*different.values(), strict=True)
    return list(conditions), np.column_stack(masks)


def _bounds(values: Vector, count: int) -> Matrix:
    there = values[~np.isnan(values)]
    if not len(there):
        return there
    return np.unique(np.quantile(there, np.linspace(0.0, 1.0, count + 2)[1:-1], method="lower"))
