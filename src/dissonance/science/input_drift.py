"""How far the inputs of new rows are from those of the reference, column by column and altogether, without labels.

A column: Jensen–Shannon divergence between shares of categories, or of deciles of the reference, missing values being a
bin of their own. Altogether: how well a classifier tells the two apart (`density`; Lopez-Paz and Oquab 2017). Neither
says that a model is harmed: of shifts that look large many do little (design section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Classes, Matrix, Vector
from dissonance.science.density import FOLDS, density_ratio
from dissonance.science.divergences import jensen_shannon

BINS = 10
MOST_ROWS = 5_000
"""Of either side; more change the third digit only."""


class InputDrift(NamedTuple):
    """`columns`: (d,) Jensen–Shannon divergences in nats, in [0, ln 2]; `auc`: about 0.5 (the same) to 1 (apart)."""

    columns: tuple[float, ...]
    auc: float


def input_drift(reference: Matrix, rows: Matrix, *, category_sizes: Sequence[int], seed: int) -> InputDrift:
    """(n, d) and (m, d), each at least `FOLDS` rows, NaN = missing; `category_sizes[j]` is 0 for a number.

    >>> same = np.zeros((9, 1))
    >>> input_drift(same, same, category_sizes=(0,), seed=0).columns
    (0.0,)
    """
    if min(len(reference), len(rows)) < FOLDS:
        raise ValueError(f"{len(reference)} and {len(rows)} rows; at least {FOLDS} of each are needed")
    generator = np.random.default_rng(seed)
    own, new = _sample(reference, generator), _sample(rows, generator)
    columns = tuple(
        column_drift(reference[:, column], rows[:, column], size) for column, size in enumerate(category_sizes)
    )
    return InputDrift(columns, density_ratio(own, new, category_sizes=category_sizes, seed=seed).auc)


def column_drift(reference: Vector, values: Vector, category_size: int) -> float:
    """Between the shares of both, (n,) and (m,), in nats. `category_size`: how many categories; 0 for a number."""
    if category_size:
        count = category_size + 1
        binned = [_coded(each, category_size) for each in (reference, values)]
    else:
        there = reference[~np.isnan(reference)]
        edges = np.unique(np.quantile(there, np.linspace(0.0, 1.0, BINS + 1)[1:-1])) if len(there) else np.empty(0)
        count = len(edges) + 2
        binned = [_in_bins(each, edges) for each in (reference, values)]
    p, q = (np.bincount(each, minlength=count)[None, :] / len(each) for each in binned)
    return float(jensen_shannon(p, q)[0])


def _coded(values: Vector, size: int) -> Classes:
    return np.where(np.isnan(values), size, values).astype(np.int64)


def _in_bins(values: Vector, edges: Vector) -> Classes:
    missing = np.isnan(values)
    return np.where(missing, len(edges) + 1, np.searchsorted(edges, np.where(missing, 0.0, values), side="left"))


def _sample(rows: Matrix, generator: np.random.Generator) -> Matrix:
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[np.sort(generator.choice(len(rows), MOST_ROWS, replace=False))]
