"""Intervals of a benchmark's means by hierarchical bootstrap: data sets, then shifts in them, then seeds in those.

Cases of one data set resemble each other, and so do seeds of one case: rows are no independent draws. The figure is the
mean over cases, of the mean over a case's seeds, of the mean over the rows of one seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dissonance.science.arrays import Matrix, Vector

LEVEL = 0.95
LEVELS = ("group", "case", "seed")

Rows = Any
"""A DataFrame, or a sequence of dicts, with the columns `group` (data set), `case`, `seed`, and the values."""


class Interval(NamedTuple):
    """The figure, and where 95 % of its resamplings lie (percentiles)."""

    estimate: float
    low: float
    high: float


class Resampled(NamedTuple):
    """`point` (m,) are the means of m columns, `draws` (draws, m) those of each resampling, the same for all m."""

    point: Vector
    draws: Matrix

    def interval(self, column: int = 0) -> Interval:
        return _interval(self.point[column], self.draws[:, column])

    def difference(self, first: int, second: int) -> Interval:
        return _interval(self.point[first] - self.point[second], self.draws[:, first] - self.draws[:, second])

    def reduction(self, first: int, second: int) -> Interval:
        """The share by which the first lies below the second, where the second is above 0 in every resampling."""
        return _interval(1 - self.point[first] / self.point[second], 1 - self.draws[:, first] / self.draws[:, second])


def hierarchical(rows: Rows, value: str, draws: int = 2_000, seed: int = 0) -> Interval:
    """The mean of `value` with its interval. Raises `ValueError` when there are no rows, or a value is missing.

    >>> rows = [{"group": "a", "case": "a1", "seed": seed, "error": 0.25 * seed} for seed in (1, 2, 3)]
    >>> hierarchical(rows, "error").estimate
    0.5
    """
    return resampled(rows, [value], draws, seed).interval()


def paired(
    rows: Rows, value: str, methods: tuple[str, str], by: Sequence[str], draws: int = 2_000, seed: int = 0
) -> Resampled:
    """The means of `value` of two methods over what both judged: rows that agree in group, case, seed and `by`."""
    frame = pd.DataFrame(rows)
    keys = [*LEVELS, *by]
    first, second = (frame.loc[frame["method"] == method, [*keys, value]].dropna() for method in methods)
    both = first.merge(second, on=keys, suffixes=("_first", "_second"), validate="one_to_one")
    return resampled(both, [f"{value}_first", f"{value}_second"], draws, seed)


def resampled(rows: Rows, values: Sequence[str], draws: int = 2_000, seed: int = 0) -> Resampled:
    """Raises `ValueError` when there are no rows, or a value is missing."""
    frame = pd.DataFrame(rows)
    if not len(frame) or frame[list(values)].isna().to_numpy().any():
        raise ValueError(f"no rows, or missing values, in {', '.join(values)}")
    means = frame.groupby(list(LEVELS), sort=True)[list(values)].mean().astype(np.float64)
    cases = means.index.droplevel("seed").to_frame(index=False)
    seeds, seed_counts = _ragged(means.to_numpy(), cases.groupby(["group", "case"], sort=True).ngroup().to_numpy())
    groups_of_cases = cases.drop_duplicates().groupby("group", sort=True).ngroup().to_numpy()
    members, case_counts = _ragged(np.arange(len(groups_of_cases))[:, None], groups_of_cases)
    generator = np.random.default_rng(seed)
    groups = generator.integers(len(case_counts), size=(draws, len(case_counts)))
    slots = _picks(generator, case_counts[groups], members.shape[1])
    picked = members[groups[..., None], slots, 0].astype(np.int64)
    chosen_seeds = _picks(generator, seed_counts[picked], seeds.shape[1])
    # A slot beyond the number of a group's cases, or a case's seeds, weighs nothing.
    of_seed = np.arange(seeds.shape[1]) < seed_counts[picked][..., None]
    of_case = np.arange(members.shape[1]) < case_counts[groups][..., None]
    each = (seeds[picked[..., None], chosen_seeds] * of_seed[..., None]).sum(axis=3) / seed_counts[picked][..., None]
    total = (each * of_case[..., None]).sum(axis=(1, 2))
    point = (seeds.sum(axis=1) / seed_counts[:, None]).mean(axis=0)
    return Resampled(point, total / of_case.sum(axis=(1, 2))[:, None])


def _ragged(values: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, m) values as one row (longest, m) an owner 0 to k - 1, padded with zeros, and how many values each has."""
    counts = np.bincount(owners)
    padded = np.zeros((len(counts), counts.max(), values.shape[1]))
    padded[owners, pd.Series(owners).groupby(owners).cumcount().to_numpy()] = values
    return padded, counts


def _picks(generator: np.random.Generator, counts: np.ndarray, slots: int) -> np.ndarray:
    """For each count, `slots` draws with replacement from 0 to count - 1."""
    return np.asarray(generator.random((*counts.shape, slots)) * counts[..., None], dtype=np.int64)


def _interval(point: float, draws: Vector) -> Interval:
    low, high = np.quantile(draws, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Interval(float(point), float(low), float(high))
