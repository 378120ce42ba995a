"""How far two distributions are apart, row by row. p and q: (n, k), rows sum to 1; results: (n,).

Sources: Cover & Thomas, "Elements of Information Theory" (2006), chapters 2 and 11; Lin (1991), "Divergence
measures based on the Shannon entropy".
"""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

from dissonance.science.arrays import Matrix, Vector


def total_variation(p: Matrix, q: Matrix) -> Vector:
    """½ Σ|p − q|, in [0, 1]: the largest difference in probability that any event can have.

    >>> total_variation(np.array([[1.0, 0.0]]), np.array([[0.25, 0.75]])).tolist()
    [0.75]
    """
    distance: Vector = np.minimum(0.5 * np.abs(p - q).sum(axis=1), 1.0)
    return distance


def kullback_leibler(p: Matrix, q: Matrix) -> Vector:
    """KL(p ‖ q) = Σ p ln(p / q) in nats, in [0, inf]; infinite where q is zero and p is not.

    >>> kullback_leibler(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])).round(4).tolist()
    [0.6931]
    """
    divergence: Vector = np.maximum(rel_entr(p, q).sum(axis=1), 0.0)
    return divergence


def jensen_shannon(p: Matrix, q: Matrix) -> Vector:
    """½ KL(p ‖ m) + ½ KL(q ‖ m) with m = ½ (p + q), in nats, in [0, ln 2]; always finite.

    >>> jensen_shannon(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).round(4).tolist()
    [0.6931]
    """
    middle = 0.5 * (p + q)
    mean: Vector = 0.5 * (kullback_leibler(p, middle) + kullback_leibler(q, middle))
    return np.asarray(np.minimum(mean, np.log(2.0)))
