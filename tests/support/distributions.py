"""Probability vectors and small labelled data sets for tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_weights = st.floats(0.0, 1.0, allow_subnormal=False)


@st.composite
def distribution(draw: st.DrawFn, k: int) -> list[float]:
    """A vector of k probabilities, zeros and certainty included."""
    weights = np.array(draw(st.lists(_weights, min_size=k, max_size=k)))
    if weights.sum() < 1e-6:
        weights = np.eye(k)[draw(st.integers(0, k - 1))]
    return [float(weight) for weight in weights / weights.sum()]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Matrix, Matrix]:
    """p and q, each (n, k)."""
    n, k = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    rows = st.lists(distribution(k), min_size=n, max_size=n)
    return np.array(draw(rows)), np.array(draw(rows))


@st.composite
def doubted(draw: st.DrawFn) -> tuple[Matrix, Matrix]:
    """p (n, k) and c (n,)."""
    p, _ = draw(pairs())
    c = st.floats(0.0, 1.0, allow_subnormal=False)
    return p, np.array(draw(st.lists(c, min_size=len(p), max_size=len(p))))


def labelled_rows(n: int, seed: int, classes: int = 2) -> tuple[Matrix, NDArray[np.int64]]:
    """Two numbers (the second at times missing) and a category of 4 codes; the class follows the first and third."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(n, 2))
    numbers[generator.random(n) < 0.1, 1] = np.nan
    category = generator.integers(4, size=n)
    drive = numbers[:, 0] + np.array([-1.0, 1.0, 0.0, 2.0])[category] + generator.logistic(size=n) * 0.5
    edges = np.quantile(drive, np.linspace(0, 1, classes + 1)[1:-1])
    return np.column_stack((numbers, category)), np.searchsorted(edges, drive).astype(np.int64)


CATEGORY_SIZES = (0, 0, 4)
"""Of `labelled_rows`."""
