"""Tests of shift, at level 0.05: they say that inputs moved, not that the model got worse."""

from __future__ import annotations

import lightgbm
import numpy as np
from scipy import stats

from dissonance.science.arrays import Vector
from science.estimate import Estimate, Known, Traffic
from science.peers.density import parameters

LEVEL = 0.05


def each_feature(known: Known, traffic: Traffic) -> Estimate:
    """Kolmogorov-Smirnov for every number, chi-squared for every category (missing is one of them), by Bonferroni."""
    reference, window = known.reference.features, traffic.features
    smallest = min(
        _chi_squared(reference[:, column], window[:, column])
        if size > 0
        else _kolmogorov_smirnov(reference[:, column], window[:, column])
        for column, size in enumerate(known.category_sizes)
    )
    return Estimate(alarm=bool(smallest < LEVEL / len(known.category_sizes)), note="a test of shift")


def classifier_two_sample(known: Known, traffic: Traffic) -> Estimate:
    """Whether a classifier tells reference and window apart better than a coin (Lopez-Paz & Oquab 2017): fitted on half
    of equally many rows of both, tested on the other half by an exact binomial test."""
    reference, window = known.reference.features, traffic.features
    rows = min(len(reference), len(window))
    generator = np.random.default_rng([known.seed, rows])
    features = np.concatenate([part[generator.permutation(len(part))[:rows]] for part in (reference, window)])
    is_window = np.repeat([0.0, 1.0], rows)
    order = generator.permutation(2 * rows)
    fitted, held = order[:rows], order[rows:]
    data = lightgbm.Dataset(
        features[fitted],
        is_window[fitted],
        categorical_feature=[column for column, size in enumerate(known.category_sizes) if size > 0],
        params={"verbosity": -1},
    )
    says_window = np.asarray(lightgbm.train(parameters("binary"), data).predict(features[held], num_threads=1)) > 0.5
    right = int((says_window == (is_window[held] == 1.0)).sum())
    # Of the held half, a coin is right as often as its larger side.
    chance = max(is_window[held].mean(), 1.0 - is_window[held].mean())
    p_value = stats.binomtest(right, len(held), chance, alternative="greater").pvalue
    return Estimate(alarm=bool(p_value < LEVEL), note="a test of shift")


def _kolmogorov_smirnov(reference: Vector, window: Vector) -> float:
    reference, window = reference[~np.isnan(reference)], window[~np.isnan(window)]
    if not len(reference) or not len(window):
        return 1.0
    return float(stats.ks_2samp(reference, window, method="asymp").pvalue)


def _chi_squared(reference: Vector, window: Vector) -> float:
    codes = np.concatenate([reference, window])
    _, positions = np.unique(np.where(np.isnan(codes), -1.0, codes), return_inverse=True)
    counts = np.zeros((2, positions.max() + 1))
    np.add.at(counts, (np.repeat([0, 1], [len(reference), len(window)]), positions), 1.0)
    return 1.0 if counts.shape[1] < 2 else float(stats.chi2_contingency(counts).pvalue)
