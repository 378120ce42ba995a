"""From the incumbent towards a new model in log-odds: log p_t = (1 - t) log p_old + t (b log p_new + a) + constant.

A geometric mixture of two distributions (a logarithmic opinion pool; Genest and Zidek 1986); b and a calibrate the new
model on rows it was not fitted on (vector scaling; Guo et al. 2017). What models answer is cut to at least `SMALLEST`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from dissonance.science.arrays import Classes, Matrix, Vector
from dissonance.science.metrics import SMALLEST

PULL_ROWS = 1.0
"""The pull towards no change is as strong as so many rows: few rows must not say much."""

LEAST_SCALE, MOST_SCALE = 0.2, 3.0


class Calibration(NamedTuple):
    """`scale` b, and `offsets` a, (k,), which sum to 0; log-odds."""

    scale: float
    offsets: tuple[float, ...]

    @classmethod
    def none(cls, classes_count: int) -> Calibration:
        return cls(1.0, (0.0,) * classes_count)


def log_probabilities(p: Matrix) -> Matrix:
    """(n, k), finite."""
    return np.asarray(np.log(np.clip(p, SMALLEST, 1.0)))


def calibrated(p: Matrix, calibration: Calibration) -> Matrix:
    """(n, k) to (n, k); rows sum to 1."""
    return np.asarray(softmax(calibration.scale * log_probabilities(p) + np.array(calibration.offsets), axis=1))


def mixed(p_old: Matrix, p_new: Matrix, step: float, calibration: Calibration) -> Matrix:
    """p_t for t = `step` in [0, 1], (n, k); rows sum to 1.

    >>> mixed(np.array([[0.5, 0.5]]), np.array([[0.2, 0.8]]), 0.0, Calibration.none(2)).tolist()
    [[0.5, 0.5]]
    """
    new = calibration.scale * log_probabilities(p_new) + np.array(calibration.offsets)
    return np.asarray(softmax((1.0 - step) * log_probabilities(p_old) + step * new, axis=1))


def fit_calibration(
    p: Matrix, classes: Classes, weights: Vector | None = None, *, pull_rows: float = PULL_ROWS
) -> Calibration:
    """The scale and offsets with the least log loss on rows that the model was not fitted on, (n, k) and (n,), n ≥ 1.

    `weights` (n,), above 0: rows that are more like today's traffic say more (Shimodaira 2000). All 1 when left out.
    `pull_rows`, above 0: how many rows the pull towards no change is worth (a ridge; Hoerl and Kennard 1970).
    """
    n, k = p.shape
    scores, rows = log_probabilities(p), np.arange(n)
    share = np.full(n, 1.0 / n) if weights is None else weights / weights.sum()
    # As many rows as they are worth (Kish 1965): a few heavy ones must not say much either.
    pull = pull_rows * float(share @ share)

    def loss(values: Matrix) -> tuple[float, Matrix]:
        scale, offsets = values[0], values[1:]
        raw = scale * scores + offsets
        logs = raw - logsumexp(raw, axis=1, keepdims=True)
        change = np.exp(logs)
        change[rows, classes] -= 1.0
        slope = np.concatenate(([share @ (change * scores).sum(axis=1)], share @ change))
        away = np.concatenate(([scale - 1.0], offsets))
        return float(-share @ logs[rows, classes] + 0.5 * pull * away @ away), slope + pull * away

    start = np.concatenate(([1.0], np.zeros(k)))
    bounds = [(LEAST_SCALE, MOST_SCALE), *[(-5.0, 5.0)] * k]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    offsets = found[1:] - found[1:].mean()
    return Calibration(float(found[0]), tuple(offsets.tolist()))
