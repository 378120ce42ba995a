"""The critic's distribution q, and the dissonance D between it and the proposer's p (design section 2).

Law: D = |max p − c|, how far the proposer misjudges itself.
"""

from __future__ import annotations

import numpy as np

from dissonance.science.arrays import Matrix, Vector
from dissonance.science.divergences import total_variation


def critic_distribution(p: Matrix, c: Vector) -> Matrix:
    """q: c on the proposer's class (the first of the most probable), the rest shared as p shares it.

    p: (n, k), k ≥ 2, rows sum to 1; c: (n,), in [0, 1]; q: (n, k), rows sum to 1. Where p leaves nothing to the
    other classes, they share 1 − c evenly.

    >>> critic_distribution(np.array([[0.5, 0.3, 0.2]]), np.array([0.0])).round(3).tolist()
    [[0.0, 0.6, 0.4]]
    """
    n, k = p.shape
    rows, answers = np.arange(n), p.argmax(axis=1)
    others = np.array(p, dtype=np.float64)
    others[rows, answers] = 0.0
    rest = others.sum(axis=1)
    certain = rest <= 0.0
    if certain.any():
        others[certain] = 1.0 / (k - 1)
        others[certain, answers[certain]] = 0.0
        rest = np.where(certain, 1.0, rest)
    q: Matrix = others / rest[:, None] * (1.0 - c)[:, None]
    q[rows, answers] = c
    return q


def dissonance(p: Matrix, q: Matrix) -> Vector:
    """D: total variation distance of p and q, (n, k) each, to (n,), in [0, 1].

    >>> dissonance(np.array([[0.9, 0.1]]), np.array([[0.6, 0.4]])).round(3).tolist()
    [0.3]
    """
    return total_variation(p, q)
