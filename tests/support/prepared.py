"""A small prepared case of the science benchmark whose model says the truth about itself, until inputs move."""

from __future__ import annotations

import numpy as np

from science.estimate import Known, Traffic
from science.prepare import Rows


def rows_of(rows: int, seed: int, *, mean: float = 0.0, classes: int = 2) -> Rows:
    """Two numbers and a category; labels are drawn from p, so that p is calibrated wherever the inputs are."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(mean, 1.0, size=(rows, 2))
    category = generator.integers(0, 3, size=(rows, 1)).astype(np.float64)
    scores = np.column_stack([number * numbers[:, 0] for number in range(classes)])
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (generator.random((rows, 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return Rows(np.concatenate([numbers, category], axis=1), p, labels)


def known_of(reference: Rows) -> Known:
    return Known("made", "made", 1, (0, 0, 3), ("a", "b", "c"), None, reference, reference)


def traffic_of(rows: Rows) -> Traffic:
    return Traffic(rows.features, rows.p)
