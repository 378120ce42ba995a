"""Where an estimated drop comes from: which features carry it, and which slices.

Features: boosted trees repeat the critic's belief c on reference and window, and their exact Shapley values (TreeSHAP,
Lundberg et al. 2020) are averaged on either side; the differences add up to the drop. Slices: each value or quarter of
a feature carries its share of the window times how far belief in it lies below the reference's mean, less the same
for the reference (Kitagawa 1955); over a feature these add up to the drop, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import lightgbm
import numpy as np

from dissonance.science.arrays import Matrix, Vector

ROUNDS = 60
MOST_ROWS = 500
"""Of either side, whose Shapley values are averaged: each costs about a millisecond."""
QUARTERS = (0.25, 0.5, 0.75)

PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class FeatureHarm(NamedTuple):
    """`carried`: of the drop, in accuracy; below 0 where the feature speaks for the window."""

    column: int
    carried: float


class SliceHarm(NamedTuple):
    """Rows whose value of `column` is the category `code`, or a number in [`low`, `high`); all three None: missing.
    Shares in [0, 1]; beliefs are mean c, NaN where no row is."""

    column: int
    code: int | None
    low: float | None
    high: float | None
    reference_share: float
    window_share: float
    reference_belief: float
    window_belief: float
    carried: float


class Believed(NamedTuple):
    """`features` (n, d) and the critic's c, (n,)."""

    features: Matrix
    beliefs: Vector


class HarmExplanation(NamedTuple):
    """`drop`: mean c of the reference minus that of the window. `features` begin with what carries most; `slices` with
    those of that feature, since a slice that everybody is in carries the whole drop, whatever its feature."""

    drop: float
    features: tuple[FeatureHarm, ...]
    slices: tuple[SliceHarm, ...]


def explain_harm(reference: Believed, window: Believed, *, category_sizes: Sequence[int], seed: int) -> HarmExplanation:
    """n, m ≥ 1 rows of the same d columns; `category_sizes[j]` is 0 for a number."""
    features = _by_feature(reference, window, category_sizes, seed)
    slices = [each for column, size in enumerate(category_sizes) for each in _by_slice(reference, window, column, size)]
    by_column = {each.column: each.carried for each in features}
    return HarmExplanation(
        float(reference.beliefs.mean() - window.beliefs.mean()),
        tuple(sorted(features, key=lambda each: -each.carried)),
        tuple(sorted(slices, key=lambda each: (-by_column[each.column], -each.carried))),
    )


def _by_feature(
    reference: Believed, window: Believed, category_sizes: Sequence[int], seed: int
) -> tuple[FeatureHarm, ...]:
    data = lightgbm.Dataset(
        np.vstack((reference.features, window.features)),
        np.concatenate((reference.beliefs, window.beliefs)),
        # Either side counts the same, however many rows it has.
        weight=np.concatenate([np.full(len(side.beliefs), 1.0 / len(side.beliefs)) for side in (reference, window)])
        * 0.5
        * (len(reference.beliefs) + len(window.beliefs)),
        categorical_feature=[column for column, size in enumerate(category_sizes) if size > 0],
    )
    booster = lightgbm.train(PARAMETERS | {"seed": seed}, data, ROUNDS)
    generator = np.random.default_rng(seed)
    before, after = (
        np.asarray(booster.predict(_some(side.features, generator), pred_contrib=True, num_threads=1))[:, :-1].mean(
            axis=0
        )
        for side in (reference, window)
    )
    return tuple(FeatureHarm(column, float(value)) for column, value in enumerate(before - after))


def _some(features: Matrix, generator: np.random.Generator) -> Matrix:
    return features[generator.permutation(len(features))[:MOST_ROWS]]


def _by_slice(reference: Believed, window: Believed, column: int, size: int) -> list[SliceHarm]:
    before, after = reference.features[:, column], window.features[:, column]
    found = []
    for code, low, high, ours, theirs in _parts(before, after, size):
        if not (ours.any() or theirs.any()):
            continue
        shares = float(ours.mean()), float(theirs.mean())
        beliefs = _mean(reference.beliefs[ours]), _mean(window.beliefs[theirs])
        usual = float(reference.beliefs.mean())
        lacking = [share * (usual - belief) if share else 0.0 for share, belief in zip(shares, beliefs, strict=True)]
        found.append(SliceHarm(column, code, low, high, *shares, *beliefs, lacking[1] - lacking[0]))
    return found


def _parts(before: Vector, after: Vector, size: int) -> list[tuple[int | None, float | None, float | None, Any, Any]]:
    """Each part of a column, and which rows of either side are in it: codes, or quarters of the reference; missing."""
    missing = (None, None, None, np.isnan(before), np.isnan(after))
    if size:
        return [*((code, None, None, before == code, after == code) for code in range(size)), missing]
    known = before[~np.isnan(before)]
    cuts = np.unique(np.quantile(known, QUARTERS)) if len(known) else np.empty(0)
    edges = [-np.inf, *cuts.tolist(), np.inf]
    return [
        *(
            (None, low, high, (before >= low) & (before < high), (after >= low) & (after < high))
            for low, high in pairwise(edges)
        ),
        missing,
    ]


def _mean(values: Vector) -> float:
    return float(values.mean()) if len(values) else float("nan")
