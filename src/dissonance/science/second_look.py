"""Which labels somebody should look at again: those that both models are confidently against.

Confident learning (Northcutt, Jiang and Chuang, JAIR 2021) suspects a label when a model's probability of another class
passes that class's mean; on shifted traffic that suspects far too many right labels. Here two models must each give
the label next to nothing, the proposer and the critic, which knows the traffic.
"""

from __future__ import annotations

import numpy as np

from dissonance.science.arrays import Classes, Mask, Matrix


def suspected(p: Matrix, q: Matrix, classes: Classes, confidence: float) -> Mask:
    """(n,): whether p and q, (n, k) each, both give the label at most 1 - `confidence`, in [0, 1].

    >>> p, q = np.array([[0.97, 0.03], [0.97, 0.03]]), np.array([[0.96, 0.04], [0.8, 0.2]])
    >>> suspected(p, q, np.array([1, 1]), 0.95).tolist()
    [True, False]
    """
    rows = np.arange(len(classes))
    most = 1.0 - confidence
    return np.asarray((p[rows, classes] <= most) & (q[rows, classes] <= most))
