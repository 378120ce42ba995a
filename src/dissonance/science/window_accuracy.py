"""How accurate the model is on a window, before any label: an estimate with its interval, a bound, and what it rests
on.

The belief is the mean of two sceptics, one fitted on the reference as it is and one weighted by the density ratio:
where the two worlds hardly differ the first has the smaller variance, where they do the second has the smaller bias
(ADR 33). Without overlap there is no number: `CannotTell` says how far apart the two are, and by which columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dissonance.errors import InputError
from dissonance.science.arrays import Matrix, Vector
from dissonance.science.density import DensityRatio, area_under_curve, density_ratio
from dissonance.science.expected import ExpectedMetrics, expected_metrics
from dissonance.science.harm import HarmNull, HarmTest, SourceBeliefs, harm_test, source_beliefs
from dissonance.science.sceptic import Labelled, Sceptic, fit_sceptic, out_of_fold_confidence
from dissonance.science.shift_table import Calibration, Uncertainty, shipped_table

LEAST_ROWS = 30
"""Of a window, and of a reference."""
DOUBTED_DROP = 0.02
"""Accuracy that a drop must exceed the margin by when reference and window cannot be told apart by 1 of AUC − 0.5: the
less they overlap, the further an estimate may be off (ADR 33)."""
SEPARATES = 0.98
"""AUC of one column above which it is named as what separates the two."""


class CannotTell(NamedTuple):
    """The window is too unlike the reference for any number. `columns`: those that alone tell the two apart."""

    overlap: DensityRatio
    columns: tuple[int, ...]


class WindowAccuracy(NamedTuple):
    """All accuracies in [0, 1]. `low`, `high`: the 95 % interval, `bound`: what the accuracy is at least, at 95 %; both
    calibrated across real shifts. `reference_accuracy` was seen, on labels. `q`: (n, k), the critic's distribution
    of each row; `beliefs`: (n,), its mass on the model's answer. `harm`: the test at the margin that was given."""

    accuracy: float
    low: float
    high: float
    bound: float
    reference_accuracy: float
    overlap: DensityRatio
    metrics: ExpectedMetrics
    harm: HarmTest
    q: Matrix
    beliefs: Vector
    uncertainty: Uncertainty


class Reference(NamedTuple):
    """What is fitted once. `source`: beliefs of the plain sceptic, out of fold. `usual`: so many of the first rows came
    as traffic did when all was well: beliefs, and what accuracy fell from, are of these; None: all of them. Rows after
    them, such as labels that were asked for later, teach what answers are worth on inputs like theirs."""

    rows: Labelled
    category_sizes: tuple[int, ...]
    seed: int
    plain: Sceptic
    source: SourceBeliefs
    usual: int | None = None

    @property
    def beliefs(self) -> Vector:
        """c of the usual rows, (n,)."""
        return self.source.beliefs


def fit_reference(rows: Labelled, *, category_sizes: Sequence[int], seed: int, usual: int | None = None) -> Reference:
    """`usual`: see `Reference`. Raises `InputError` with fewer than `LEAST_ROWS` rows."""
    _enough(len(rows.classes), "the reference")
    beliefs = out_of_fold_confidence(rows, category_sizes=category_sizes, seed=seed)[:usual]
    plain = fit_sceptic(rows, category_sizes=category_sizes, seed=seed)
    return Reference(rows, tuple(category_sizes), seed, plain, source_beliefs(beliefs, seed=seed), usual)


def window_accuracy(
    reference: Reference,
    features: Matrix,
    p: Matrix,
    *,
    margin: float,
    ignore: Sequence[int] = (),
    calibration: Calibration | None = None,
    null: HarmNull | None = None,
) -> WindowAccuracy | CannotTell:
    """Of a window of n ≥ `LEAST_ROWS` rows: `features` (n, d), `p` (n, k).

    `margin`: a drop of accuracy that is no harm. `ignore`: columns that neither the model nor its errors depend on,
    such as a date, which would tell the two apart for nothing. `calibration`: the shipped one when left out. `null`:
    `reference.source.null(n)`, for whoever keeps it between windows. Raises `InputError`.
    """
    _enough(len(p), "the window")
    rows, sizes = reference.rows, reference.category_sizes
    kept = [column for column in range(len(sizes)) if column not in set(ignore)]
    ratio = density_ratio(
        rows.features[:, kept],
        features[:, kept],
        category_sizes=[sizes[column] for column in kept],
        seed=reference.seed,
    )
    if not ratio.overlaps:
        return CannotTell(ratio, _separating(rows.features, features, kept))
    q, reference_variance = believed(reference, features, p, ratio)
    beliefs = np.asarray(q[np.arange(len(p)), p.argmax(axis=1)])
    metrics = expected_metrics(p, q)
    accuracy, seen = metrics.accuracy, float(rows.right[: reference.usual].mean())
    uncertainty = Uncertainty(
        float((beliefs * (1.0 - beliefs)).sum() / len(p) ** 2), reference_variance, seen - accuracy, ratio.auc
    )
    table = calibration or shipped_table().calibration
    scale = uncertainty.scale(table.drop_weight, table.overlap_weight)
    return WindowAccuracy(
        accuracy=accuracy,
        low=max(0.0, accuracy - table.both * scale),
        high=min(1.0, accuracy + table.both * scale),
        bound=max(0.0, accuracy - table.over * scale),
        reference_accuracy=seen,
        overlap=ratio,
        metrics=metrics,
        harm=harm_test(
            null or reference.source.null(len(p)),
            beliefs,
            margin=margin + DOUBTED_DROP * max(0.0, ratio.auc - 0.5),
        ),
        q=q,
        beliefs=beliefs,
        uncertainty=uncertainty,
    )


def believed(reference: Reference, features: Matrix, p: Matrix, ratio: DensityRatio) -> tuple[Matrix, float]:
    """q of the window's rows, (n, k), and the variance of the accuracy of the reference, weighted to the window.

    Without overlap the weights are all 1, and q is an extrapolation that nothing vouches for.
    """
    rows, seed = reference.rows, reference.seed
    weighted = fit_sceptic(rows, category_sizes=reference.category_sizes, seed=seed, weights=ratio.weights)
    q = 0.5 * (weighted.distribution(features, p) + reference.plain.distribution(features, p))
    missed = rows.right - weighted.confidence(rows.features, rows.p)
    return np.asarray(q), float((ratio.weights**2 * missed**2).sum() / ratio.weights.sum() ** 2)


def _separating(reference: Matrix, window: Matrix, columns: Sequence[int]) -> tuple[int, ...]:
    """Columns whose values alone, or whose being missing, tell the two apart."""
    is_window = np.concatenate((np.zeros(len(reference)), np.ones(len(window))))
    found = []
    for column in columns:
        values = np.concatenate((reference[:, column], window[:, column]))
        least = np.nanmin(values) - 1.0 if np.isfinite(values).any() else 0.0
        auc = area_under_curve(np.where(np.isnan(values), least, values), is_window)
        if max(auc, 1.0 - auc) > SEPARATES:
            found.append(column)
    return tuple(found)


def _enough(rows: int, what: str) -> None:
    if rows < LEAST_ROWS:
        raise InputError(f"{what} has {rows} rows", where="rows", fix=f"give {LEAST_ROWS} or more")
