"""What metrics of a model are to be expected on rows without labels, when a critic says how probable each class is.

Each is the metric of `metrics`, averaged over labels drawn from q (for ratios of counts: the ratio of expected counts;
Welinder, Welling and Perona 2013 for the F measure). p: (n, k) the model's, q: (n, k) the critic's; rows sum to 1,
n ≥ 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Matrix, Vector
from dissonance.science.metrics import SMALLEST


class ClassMetrics(NamedTuple):
    """Of one class, each in [0, 1]; NaN where nothing is expected to count."""

    share: float
    precision: float
    recall: float
    f1: float


class ExpectedMetrics(NamedTuple):
    """`log_loss` in nats, `brier_score` in [0, 2]; `roc_auc` is None with more than two classes; `f1` is the mean over
    classes (macro)."""

    accuracy: float
    log_loss: float
    brier_score: float
    roc_auc: float | None
    f1: float
    classes: tuple[ClassMetrics, ...]


def expected_metrics(p: Matrix, q: Matrix) -> ExpectedMetrics:
    """
    >>> expected_metrics(np.array([[0.9, 0.1]]), np.array([[0.8, 0.2]])).accuracy
    0.8
    """
    classes = _by_class(p, q)
    f1 = [each.f1 for each in classes if not np.isnan(each.f1)]
    return ExpectedMetrics(
        accuracy=float(q[np.arange(len(p)), p.argmax(axis=1)].mean()),
        log_loss=float(-(q * np.log(np.clip(p, SMALLEST, 1.0))).sum(axis=1).mean()),
        brier_score=float(((p**2).sum(axis=1) - 2.0 * (p * q).sum(axis=1) + 1.0).mean()),
        roc_auc=soft_roc_auc(p[:, 1], q[:, 1]) if p.shape[1] == 2 else None,
        f1=float(np.mean(f1)),
        classes=classes,
    )


def soft_roc_auc(scores: Vector, positive: Vector) -> float:
    """ROC AUC when row i is positive with probability `positive[i]`; ties count half. NaN without both classes.

    >>> soft_roc_auc(np.array([0.1, 0.9]), np.array([0.0, 1.0]))
    1.0
    """
    _, place = np.unique(scores, return_inverse=True)
    positives = np.bincount(place, weights=positive)
    negatives = np.bincount(place, weights=1.0 - positive)
    below = np.cumsum(negatives) - negatives
    pairs = positives.sum() * negatives.sum()
    return float((positives * (below + 0.5 * negatives)).sum() / pairs) if pairs > 0.0 else float("nan")


def _by_class(p: Matrix, q: Matrix) -> tuple[ClassMetrics, ...]:
    answers = p.argmax(axis=1)
    found = []
    for index in range(p.shape[1]):
        answered = answers == index
        hits, asked, there = q[answered, index].sum(), answered.sum(), q[:, index].sum()
        found.append(
            ClassMetrics(
                share=float(there / len(p)),
                precision=_ratio(hits, asked),
                recall=_ratio(hits, there),
                f1=_ratio(2.0 * hits, asked + there),
            )
        )
    return tuple(found)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0.0 else float("nan")
