"""Average thresholded confidence (Garg et al. 2022, "Leveraging Unlabeled Data to Predict Out-of-Distribution
Performance").

The threshold on negative entropy, the paper's better score, lets as many rows of the reference fall below it as are
wrong; the accuracy of a window is the share of its rows above. Without the temperature scaling that the paper puts
before it: it does not change the order of two-class scores.
"""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from dissonance.science.arrays import Matrix, Vector
from science.estimate import Estimate, Known, Traffic


def atc(known: Known, traffic: Traffic) -> Estimate:
    scores = negative_entropy(known.reference.p)
    threshold = np.quantile(scores, 1.0 - known.reference.right.mean())
    return Estimate(float(np.mean(negative_entropy(traffic.p) >= threshold)))


def negative_entropy(p: Matrix) -> Vector:
    """(n, k) to (n,), in nats, at most 0."""
    return np.asarray(xlogy(p, p).sum(axis=1), dtype=np.float64)
