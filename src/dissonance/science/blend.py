"""Several fitted classifiers as one: log p = Σ weight · log p_i + offsets + constant. What `merge` is for trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax

from dissonance.science.arrays import Matrix
from dissonance.science.estimators import EstimatorProposer
from dissonance.science.mixing import Calibration, log_probabilities

LEAST_WEIGHT = 0.02
MOST_MODELS = 2
"""The incumbent's share and the new one's: of a blend the older model is dropped."""


class Weighted(NamedTuple):
    weight: float
    model: EstimatorProposer


class BlendProposer:
    """`models` from old to new; `offsets` (k,) in log-odds."""

    def __init__(self, models: Sequence[Weighted], offsets: Sequence[float]) -> None:
        self.models = tuple(models)
        self.offsets = tuple(offsets)

    @property
    def template(self) -> Any:
        """The newest classifier without its preparation."""
        return self.models[-1].model.template

    def probabilities(self, features: Matrix) -> Matrix:
        """(n, d) to (n, k); rows sum to 1."""
        k = len(self.offsets)
        if not len(features):
            return np.empty((0, k))
        scores = np.broadcast_to(np.array(self.offsets), (len(features), k)).copy()
        for weight, model in self.models:
            scores += weight * log_probabilities(model.probabilities(features))
        return np.asarray(softmax(scores, axis=1))


def blend(
    old: EstimatorProposer | BlendProposer, new: EstimatorProposer, step: float, calibration: Calibration
) -> BlendProposer:
    """`step` in [0, 1] of the way from old to new in log-odds. Of an old blend the newest model stays, and stands for
    all of it."""
    before = (
        old
        if isinstance(old, BlendProposer)
        else BlendProposer([Weighted(1.0, old)], Calibration.none(len(calibration.offsets)).offsets)
    )
    kept = before.models[-(MOST_MODELS - 1) :]
    ratio = sum(weight for weight, _ in before.models) / sum(weight for weight, _ in kept)
    weighted = [Weighted((1.0 - step) * ratio * weight, model) for weight, model in kept]
    weighted.append(Weighted(step * calibration.scale, new))
    offsets = (1.0 - step) * np.array(before.offsets) + step * np.array(calibration.offsets)
    return BlendProposer([each for each in weighted if each.weight >= LEAST_WEIGHT], offsets.tolist())
