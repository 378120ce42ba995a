"""Density ratio of a window to the reference, by a classifier that tells them apart, as PAPE's authors estimate it.

LightGBM with its defaults, scored on the rows it was fitted on; `1 - probability` is at least 0.05 and a weight at
least 0.001, both as in Białek et al. 2024, "Estimating Model Performance Under Covariate Shift Without Labels".
"""

from __future__ import annotations

from functools import lru_cache

import lightgbm
import numpy as np

from dissonance.science.arrays import Vector
from science.estimate import Known, Traffic

LEAST_DENOMINATOR = 0.05
LEAST_WEIGHT = 0.001
SEED = 42
SHARED = 64
"""Windows whose ratio is kept: the methods that need it ask one after the other."""


@lru_cache(maxsize=SHARED)
def density_ratio(known: Known, traffic: Traffic) -> Vector:
    """(n,) for the rows of the reference, above 0."""
    reference = known.reference.features
    in_window = np.repeat([0.0, 1.0], [len(reference), len(traffic.features)])
    data = lightgbm.Dataset(
        np.concatenate([reference, traffic.features]),
        in_window,
        categorical_feature=[column for column, size in enumerate(known.category_sizes) if size > 0],
        params={"verbosity": -1},
    )
    probability = np.asarray(lightgbm.train(parameters("binary"), data).predict(reference, num_threads=1))
    odds = probability / np.maximum(LEAST_DENOMINATOR, 1.0 - probability)
    return np.asarray(np.maximum(LEAST_WEIGHT, odds * len(reference) / len(traffic.features)), dtype=np.float64)


def parameters(objective: str) -> dict[str, object]:
    """LightGBM's defaults, on one thread."""
    return {"objective": objective, "seed": SEED, "num_threads": 1, "deterministic": True, "verbosity": -1}
