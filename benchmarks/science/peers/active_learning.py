"""Margin sampling and query by committee of scikit-activeml, on models that were fitted here.

The package comes from `benchmarks/requirements-active-learning.txt`; whether it was installed says `is_installed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from dissonance.science.arrays import Classes, Mask, Matrix


def is_installed() -> bool:
    return find_spec("skactiveml") is not None


class Answered(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted model as scikit-activeml wants one: a row is its number in the pool, its answer known beforehand. The
    names X and y are part of what it wants."""

    def __init__(self, p: Any = None) -> None:
        self.p = p

    def fit(self, X: Matrix, y: Classes) -> Answered:
        self.classes_ = np.arange(self.p.shape[1])
        return self

    def predict_proba(self, X: Matrix) -> Matrix:
        return np.asarray(self.p[np.asarray(X)[:, 0].astype(np.int64)])

    def predict(self, X: Matrix) -> Classes:
        return np.asarray(self.predict_proba(X).argmax(axis=1))


def by_margin(p: Matrix, classes: Classes, labelled: Mask, count: int, seed: int) -> Classes:
    """Row numbers of the next `count` of a pool, (n, k) answers of the model in use."""
    strategy = import_module("skactiveml.pool").UncertaintySampling(method="margin_sampling", random_state=seed)
    numbers, known = _as_known(classes, labelled)
    chosen = strategy.query(numbers, known, _wrapped(p), fit_clf=False, batch_size=count)
    return np.asarray(chosen, dtype=np.int64)


def by_committee(members: Sequence[Matrix], classes: Classes, labelled: Mask, count: int, seed: int) -> Classes:
    """By the divergence of the members' answers, (n, k) each, from their mean (McCallum and Nigam 1998)."""
    strategy = import_module("skactiveml.pool").QueryByCommittee(method="KL_divergence", random_state=seed)
    numbers, known = _as_known(classes, labelled)
    ensemble = [_wrapped(p) for p in members]
    chosen = strategy.query(numbers, known, ensemble, fit_ensemble=False, batch_size=count)
    return np.asarray(chosen, dtype=np.int64)


def _as_known(classes: Classes, labelled: Mask) -> tuple[Matrix, Matrix]:
    return np.arange(len(classes), dtype=np.float64)[:, None], np.where(labelled, classes.astype(np.float64), np.nan)


def _wrapped(p: Matrix) -> Any:
    numbers = np.arange(len(p), dtype=np.float64)[:, None]
    k = p.shape[1]
    wrapper = import_module("skactiveml.classifier").SklearnClassifier
    return wrapper(Answered(p), classes=list(range(k))).fit(numbers[:k], np.arange(k, dtype=np.float64))
