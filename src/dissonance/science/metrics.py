"""How good answers are. p: (n, k), rows sum to 1; classes: (n,), index of the true class; n ≥ 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Classes, Matrix, Vector

SMALLEST = 1e-15
"""Probabilities are cut to at least this before their logarithm is taken."""

BINS = 15


def accuracy(p: Matrix, classes: Classes) -> float:
    """Share of rows whose most probable class is the true one, in [0, 1]."""
    return float((p.argmax(axis=1) == classes).mean())


def log_loss(p: Matrix, classes: Classes) -> float:
    """Mean −ln p of the true class, in nats, 0 or more (Good 1952)."""
    true = p[np.arange(len(classes)), classes]
    return float(-np.log(np.clip(true, SMALLEST, 1.0)).mean())


def brier_score(p: Matrix, classes: Classes) -> float:
    """Mean squared distance from the true class's one-hot vector, in [0, 2] (Brier 1950).

    >>> brier_score(np.array([[0.5, 0.5]]), np.array([0]))
    0.5
    """
    truth = np.zeros_like(p)
    truth[np.arange(len(classes)), classes] = 1.0
    return float(((p - truth) ** 2).sum(axis=1).mean())


def expected_calibration_error(confidence: Vector, right: Vector, bins: int = BINS) -> float:
    """Mean gap between confidence and share right over bins of equal width, in [0, 1] (Naeini et al. 2015).

    `confidence`: (n,), in [0, 1]; `right`: (n,), 0 or 1.
    """
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(index, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


class Reliability(NamedTuple):
    """Bins of equal width of the confidence, (bins,): rows, mean confidence and share right; NaN without rows."""

    rows: Classes
    confidence: Vector
    right: Vector


def reliability(confidence: Vector, right: Vector, bins: int = BINS) -> Reliability:
    """What a reliability diagram shows (DeGroot and Fienberg 1983); arguments as of `expected_calibration_error`."""
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    rows = np.bincount(index, minlength=bins)
    counted = np.where(rows > 0, rows, np.nan)
    means = (np.bincount(index, weights=values, minlength=bins) / counted for values in (confidence, right))
    return Reliability(rows, *means)


def confusion_matrix(p: Matrix, classes: Classes) -> Classes:
    """(k, k): how many rows of each true class (down) got each answer (across).

    >>> confusion_matrix(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1])).tolist()
    [[1, 0], [1, 0]]
    """
    k = p.shape[1]
    return np.bincount(classes * k + p.argmax(axis=1), minlength=k * k).reshape(k, k)
