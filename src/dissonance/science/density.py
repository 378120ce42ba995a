"""How much more often a row like this one comes in a window of traffic than in the labelled reference.

The ratio of densities by a classifier that tells the two apart (Bickel, Brückner and Scheffer 2009): boosted trees, out
of fold. Ratios are clipped, and raised to the largest power at which enough reference rows still count (Kish's
effective sample size; tempering as in Shimodaira 2000), since estimates with few effective rows are noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import lightgbm
import numpy as np
from scipy.stats import rankdata

from dissonance.science.arrays import Matrix, Vector

FOLDS = 3
ROUNDS = 40
CLIP = 50.0
"""Ratios are kept within [1/CLIP, CLIP]."""
LEAST_EFFECTIVE = 0.3
"""Share of the reference rows that must count in effect."""
SEPARABLE_AUC = 0.995
"""Above it the two hardly overlap, and the ratio means nothing."""
BISECTIONS = 30

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 8,
    "min_data_in_leaf": 20,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "feature_fraction": 0.8,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class DensityRatio(NamedTuple):
    """`weights`: (n,) of the reference rows, mean 1; all 1 without overlap. `scores`: (n,) log ratio of the reference
    rows before clipping, `window_scores`: (m,) of the window's, both out of fold. `auc`: how well the two can be told
    apart, about 0.5 to 1. `power`: in [0, 1], what the ratios were raised to. `effective_share`: Kish's effective
    sample size of the weights over n."""

    weights: Vector
    scores: Vector
    window_scores: Vector
    auc: float
    power: float
    effective_share: float

    @property
    def overlaps(self) -> bool:
        return self.auc <= SEPARABLE_AUC


def density_ratio(reference: Matrix, window: Matrix, *, category_sizes: Sequence[int], seed: int) -> DensityRatio:
    """`reference`: (n, d), `window`: (m, d), both with at least `FOLDS` rows; `category_sizes[j]` is 0 for a number."""
    rows = np.vstack((reference, window))
    is_window = np.concatenate((np.zeros(len(reference)), np.ones(len(window))))
    scores = _out_of_fold(rows, is_window, category_sizes, seed)
    auc = area_under_curve(scores, is_window)
    scores = scores - np.log(len(window) / len(reference))
    own, others = scores[: len(reference)], scores[len(reference) :]
    if auc > SEPARABLE_AUC:
        return DensityRatio(np.ones(len(reference)), own, others, auc, 0.0, 1.0)
    weights, power = tempered(own)
    return DensityRatio(weights, own, others, auc, power, effective_share(weights))


def tempered(log_ratios: Vector, least_effective: float = LEAST_EFFECTIVE) -> tuple[Vector, float]:
    """Weights (n,) of mean 1 and the largest power in [0, 1] at which their effective share is `least_effective`.

    >>> tempered(np.zeros(3))
    (array([1., 1., 1.]), 1.0)
    """
    logs = np.clip(log_ratios, -np.log(CLIP), np.log(CLIP))

    def weights(power: float) -> Vector:
        raw = np.exp(power * (logs - logs.max()))
        return np.asarray(raw / raw.mean())

    if effective_share(weights(1.0)) >= least_effective:
        return weights(1.0), 1.0
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective_share(weights(middle)) >= least_effective else (low, middle)
    return weights(low), low


def effective_share(weights: Vector) -> float:
    """Kish's effective sample size over n, in (0, 1] (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))


def area_under_curve(scores: Vector, positive: Vector) -> float:
    """Probability that a positive row scores higher than a negative one, ties half (Mann and Whitney 1947), in [0, 1].

    >>> area_under_curve(np.array([0.1, 0.9, 0.4]), np.array([0.0, 1.0, 0.0]))
    1.0
    """
    count = positive.sum()
    ranks = rankdata(scores)[positive == 1.0].sum()
    return float((ranks - count * (count + 1.0) / 2.0) / (count * (len(scores) - count)))


def _out_of_fold(rows: Matrix, is_window: Vector, category_sizes: Sequence[int], seed: int) -> Vector:
    """Log-odds of "from the window", each by trees that did not see the row, (n + m,)."""
    generator = np.random.default_rng(seed)
    fold = np.empty(len(rows), dtype=np.int64)
    for side in (0.0, 1.0):
        where = np.flatnonzero(is_window == side)
        fold[where] = generator.permutation(len(where)) % FOLDS
    parameters = PARAMETERS | {"seed": seed}
    categories = [column for column, size in enumerate(category_sizes) if size > 0]
    # Binned once for all folds.
    data = lightgbm.Dataset(
        rows, is_window, categorical_feature=categories, params=parameters, free_raw_data=False
    ).construct()
    scores = np.empty(len(rows))
    for number in range(FOLDS):
        held = fold == number
        booster = lightgbm.train(parameters, data.subset(np.flatnonzero(~held).tolist()), ROUNDS)
        scores[held] = booster.predict(rows[held], raw_score=True, num_threads=1)
    return scores
