"""The sceptic and its ablations, as the benchmark asks for them. Its calibration never saw the data set at hand."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dissonance.science.arrays import Matrix
from dissonance.science.disagreement import worst_case
from dissonance.science.harm import harm_test
from dissonance.science.sceptic import Labelled, fit_sceptic
from dissonance.science.shift_table import Calibration, shipped_table
from dissonance.science.window_accuracy import (
    CannotTell,
    Reference,
    WindowAccuracy,
    believed,
    fit_reference,
    window_accuracy,
)
from science.estimate import Estimate, Known, Traffic

SEED = 1
MARGIN = 0.01
LEVEL = 0.05
SHAP_ROWS = 300
"""Attributions cost a millisecond a row: that ablation is measured on windows of at most so many rows, with one
seed."""


def sceptic(known: Known, window: Traffic) -> Estimate:
    """As the package tells it."""
    found = told(known, window)
    if isinstance(found, CannotTell):
        return Estimate(note="no overlap")
    return Estimate(found.accuracy, found.low, found.high, found.bound, found.harm.p_value <= LEVEL)


def null_of_the_alarm(known: Known, window: Traffic) -> Estimate:
    """The same test at margin 0, without the allowance for little overlap: at its level where nothing moved, if its
    null is right."""
    found = told(known, window)
    if isinstance(found, CannotTell):
        return Estimate(note="no overlap")
    null = fitted(known).source.null(len(window.p))
    return Estimate(alarm=harm_test(null, found.beliefs, margin=0.0).p_value <= LEVEL)


def extrapolated(known: Known, window: Traffic) -> Estimate:
    """A number even without overlap, which the package does not give."""
    found = told(known, window)
    if isinstance(found, WindowAccuracy):
        return Estimate(found.accuracy)
    q, _ = believed(fitted(known), window.features, window.p, found.overlap)
    return _mean(q, window)


def devils_advocate(known: Known, window: Traffic) -> Estimate:
    """The worst case by constrained disagreement: a bound and no estimate."""
    if known.seed != SEED or len(window.p) != SHAP_ROWS:
        return Estimate(note="the worst case was measured on windows of one size, with one seed")
    rows = known.reference.labelled
    worst = worst_case(rows, window.features, window.p, category_sizes=known.category_sizes, seed=SEED)
    return Estimate(bound=worst.accuracy)


def without_weights(known: Known, window: Traffic) -> Estimate:
    return _mean(fitted(known).plain.distribution(window.features, window.p), window)


def without_critic(known: Known, window: Traffic) -> Estimate:
    """What the proposer believes of itself."""
    return Estimate(float(window.p.max(axis=1).mean()))


def unsigned(known: Known, window: Traffic) -> Estimate:
    """Right or wrong is learnt instead of the labels: what speaks for one answer does not speak against another."""
    reference, right = known.reference, known.reference.right
    rows = Labelled(reference.features, _right_or_not(reference.p), right.astype(np.int64))
    weights = told(known, window).overlap.weights
    critics = [
        fit_sceptic(rows, category_sizes=known.category_sizes, seed=SEED, weights=each) for each in (None, weights)
    ]
    p = _right_or_not(window.p)
    return Estimate(float(np.mean([critic.distribution(window.features, p)[:, 1].mean() for critic in critics])))


def with_attributions(known: Known, window: Traffic) -> Estimate:
    """The sceptic with the proposer's TreeSHAP values beside the inputs."""
    if known.model is None or known.seed != SEED or len(window.p) > SHAP_ROWS or window.p.shape[1] > 2:
        return Estimate(note="attributions were measured on small windows of two classes, with one seed")
    reference = known.reference
    rows = Labelled(np.hstack((reference.features, reference_attributions(known))), reference.p, reference.classes)
    more = np.hstack((window.features, attributions(known, window.features)))
    sizes = (*known.category_sizes, *[0] * (more.shape[1] - len(known.category_sizes)))
    weights = told(known, window).overlap.weights
    critics = [fit_sceptic(rows, category_sizes=sizes, seed=SEED, weights=each) for each in (None, weights)]
    return Estimate(float(np.mean([critic.confidence(more, window.p).mean() for critic in critics])))


@lru_cache(maxsize=2)
def fitted(known: Known) -> Reference:
    return fit_reference(known.reference.labelled, category_sizes=known.category_sizes, seed=SEED)


@lru_cache(maxsize=64)
def told(known: Known, window: Traffic) -> WindowAccuracy | CannotTell:
    """Once for all that ask."""
    return window_accuracy(
        fitted(known), window.features, window.p, margin=MARGIN, calibration=calibration_for(known.group)
    )


@lru_cache(maxsize=1)
def reference_attributions(known: Known) -> Matrix:
    return attributions(known, known.reference.features)


def attributions(known: Known, features: Matrix) -> Matrix:
    """TreeSHAP of the proposer (Lundberg et al. 2020), (n, outputs × (d + 1))."""
    assert known.model is not None
    return known.model.attributions(features)


def calibration_for(group: str) -> Calibration:
    """From the other data sets' shifts; from all for a data set that the table never saw."""
    table = shipped_table()
    return table.left_out.get(group, table.calibration)


def _right_or_not(p: Matrix) -> Matrix:
    """(n, k) to (n, 2): the proposer's belief that its answer is wrong, and that it is right."""
    top = p.max(axis=1)
    return np.column_stack((1.0 - top, top))


def _mean(q: Matrix, window: Traffic) -> Estimate:
    return Estimate(float(q[np.arange(len(q)), window.p.argmax(axis=1)].mean()))
