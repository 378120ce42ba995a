"""The evidence critic: how fresh labels contradict what a model believes, and what that teaches about old rows.

A Bayesian ridge of y - p on the model's log-odds and the inputs, all k classes at once: prior and noise are shared by
them and found by maximising the evidence (MacKay 1992), so that what it says of the classes of a row sums to 0. It is
averaged with the model that says nothing, by their posterior probabilities (Hoeting et al. 1999): without evidence next
to nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Classes, Matrix, Vector
from dissonance.science.mixing import log_probabilities

PRECISIONS = np.geomspace(1e-1, 1e5, 49)
"""Of the prior, relative to that of the noise, that are tried: from hardly any shrinkage to nearly nothing left."""

MOST_CATEGORIES = 30
"""A category of more values is left out: a fresh label or two a value say nothing."""


class Design(NamedTuple):
    """From inputs and p to the columns of the regression: `numbers` standardised, `categories` (column, code) as 0
    and 1."""

    numbers: tuple[int, ...]
    means: Vector
    scales: Vector
    categories: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, features: Matrix, category_sizes: Sequence[int]) -> Design:
        """Standardised on these rows, (n, d)."""
        numbers = tuple(column for column, size in enumerate(category_sizes) if size == 0)
        there = np.where(np.isnan(features[:, numbers]), 0.0, features[:, numbers])
        spread = there.std(axis=0)
        categories = [
            (c, v) for c, size in enumerate(category_sizes) if 0 < size <= MOST_CATEGORIES for v in range(size)
        ]
        return cls(numbers, there.mean(axis=0), np.where(spread > 0.0, spread, 1.0), tuple(categories))

    def columns(self, features: Matrix, p: Matrix) -> Matrix:
        """(n, d) and (n, k) to (n, w): 1, log-odds, numbers within 5 standard deviations (missing: the mean),
        categories."""
        numbers = (features[:, self.numbers] - self.means) / self.scales
        numbers = np.clip(np.where(np.isnan(numbers), 0.0, numbers), -5.0, 5.0)
        logs = log_probabilities(np.clip(p, 1e-3, 1.0))
        odds = (logs - logs.mean(axis=1, keepdims=True))[:, : p.shape[1] - (p.shape[1] == 2)]
        hot = [(features[:, column] == code)[:, None] for column, code in self.categories]
        return np.concatenate([np.ones((len(features), 1)), odds, numbers, *hot], axis=1)


class EvidenceCritic(NamedTuple):
    """`weights` (w, k); `probability` that there is anything to say at all, in [0, 1]."""

    design: Design
    weights: Matrix
    probability: float

    def correction(self, features: Matrix, p: Matrix) -> Matrix:
        """q - p, (n, k); rows sum to 0."""
        return np.asarray(self.design.columns(features, p) @ self.weights)


def fit_evidence(features: Matrix, p: Matrix, classes: Classes, *, category_sizes: Sequence[int]) -> EvidenceCritic:
    """Fit on fresh labelled rows, n of at least 1, that the model behind p was not fitted on."""
    design = Design.of(features, category_sizes)
    columns = design.columns(features, p)
    surprise = np.eye(p.shape[1])[classes] - p
    u, s, vt = np.linalg.svd(columns, full_matrices=False)
    seen = u.T @ surprise
    freedom = len(classes) * (p.shape[1] - 1)
    logs = np.array([_log_evidence(s, seen, surprise, precision, freedom) for precision in (*PRECISIONS, np.inf)])
    best = int(np.argmax(logs[:-1]))
    # The evidence of "something" is the mean over the precisions tried: a flat prior on their logarithm.
    something = float(np.logaddexp.reduce(logs[:-1]) - np.log(len(PRECISIONS)))
    probability = float(1.0 / (1.0 + np.exp(np.clip(logs[-1] - something, -700.0, 700.0))))
    weights = vt.T @ ((s / (s**2 + PRECISIONS[best]))[:, None] * seen)
    return EvidenceCritic(design, probability * weights, probability)


def corrected_targets(classes: Classes, correction: Matrix) -> Matrix:
    """clip(y + q - p, 0, 1), rows made to sum to 1, (n, k).

    >>> corrected_targets(np.array([0]), np.array([[-0.25, 0.25]])).tolist()
    [[0.75, 0.25]]
    """
    targets = np.clip(np.eye(correction.shape[1])[classes] + correction, 0.0, 1.0)
    return np.asarray(targets / targets.sum(axis=1, keepdims=True))


def _log_evidence(s: Vector, seen: Matrix, surprise: Matrix, precision: float, freedom: int) -> float:
    """Up to a constant, with the noise's precision at its best."""
    shrunk = s**2 / (s**2 + precision)
    left = float((surprise**2).sum() - (shrunk[:, None] * seen**2).sum())
    classes = freedom / len(surprise)
    return -0.5 * classes * float(np.log1p(s**2 / precision).sum()) - 0.5 * freedom * float(np.log(max(left, 1e-300)))
