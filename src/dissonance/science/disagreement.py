"""The devil's advocate: the worst accuracy that a linear critic can argue for, without any label of the window.

Dis² (Rosenfeld and Garg 2023): a second classifier is taught to agree with the proposer on source rows and to disagree
on the window. If the truth is no further from the proposer than such a critic can get, the error on the window is at
most the error on the source plus how much more the two disagree there, plus a term for chance. Linear, on the inputs
and the proposer's log-probabilities, and scored on rows that it was not taught on: boosted trees in this place flip
every answer of a window that can be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp

from dissonance.science.arrays import Classes, Matrix, Vector
from dissonance.science.metrics import SMALLEST
from dissonance.science.sceptic import Labelled

FOLDS = 2
AGREEMENTS = (1.0, 4.0, 16.0)
"""How much agreeing on the source weighs against disagreeing on the window; the critic that differs most is taken."""
PULL = 1e-3
"""L2 pull on the weights, per row."""
MOST_DEVIATIONS = 5.0
MAX_ITERATIONS = 200


class WorstCase(NamedTuple):
    """`accuracy`: a lower bound, in [0, 1], at the stated level if the assumption above holds. Disagreements are
    shares of rows in [0, 1]; `chance`: what is subtracted for finite samples."""

    accuracy: float
    source_accuracy: float
    source_disagreement: float
    window_disagreement: float
    chance: float


def worst_case(
    reference: Labelled, features: Matrix, p: Matrix, *, category_sizes: Sequence[int], seed: int, level: float = 0.05
) -> WorstCase:
    """`features` (m, d) and `p` (m, k) of the window; at least `FOLDS` rows on either side."""
    source = _linear_inputs(reference.features, reference.p, reference.features, category_sizes)
    window = _linear_inputs(features, p, reference.features, category_sizes)
    answers = reference.p.argmax(axis=1), p.argmax(axis=1)
    generator = np.random.default_rng(seed)
    folds = [generator.permutation(len(rows)) % FOLDS for rows in answers]
    tried = [
        _disagreements((source, window), answers, folds, agreement, reference.p.shape[1]) for agreement in AGREEMENTS
    ]
    ours, theirs = max(tried, key=lambda each: each[1] - each[0])
    n, m = len(answers[0]), len(answers[1])
    chance = float(np.sqrt((n + 4.0 * m) * np.log(1.0 / level) / (2.0 * n * m)))
    accuracy = float(reference.right.mean())
    return WorstCase(float(np.clip(accuracy - (theirs - ours) - chance, 0.0, 1.0)), accuracy, ours, theirs, chance)


def _disagreements(
    sides: tuple[Matrix, Matrix], answers: tuple[Classes, Classes], folds: list[Classes], agreement: float, k: int
) -> tuple[float, float]:
    """Shares of source and of window rows on which a critic that was not taught on them differs from the proposer."""
    differs = [np.empty(len(said), dtype=bool) for said in answers]
    for number in range(FOLDS):
        ours, theirs = (fold != number for fold in folds)
        weights = _teach(sides[0][ours], answers[0][ours], sides[1][theirs], answers[1][theirs], agreement, k)
        for side, (inputs, said, fold) in enumerate(zip(sides, answers, folds, strict=True)):
            held = fold == number
            differs[side][held] = (inputs[held] @ weights).argmax(axis=1) != said[held]
    return float(differs[0].mean()), float(differs[1].mean())


def _teach(source: Matrix, agree: Classes, window: Matrix, disagree: Classes, agreement: float, k: int) -> Matrix:
    """Weights (d, k): little loss of agreeing on the source, times `agreement`, and of disagreeing on the window."""
    rows, others = np.arange(len(agree)), np.arange(len(disagree))

    def loss(flat: Vector) -> tuple[float, Vector]:
        weights = flat.reshape(-1, k)
        scores = source @ weights
        logs = scores - logsumexp(scores, axis=1, keepdims=True)
        slope = np.exp(logs)
        slope[rows, agree] -= 1.0
        total = -agreement * logs[rows, agree].mean()
        gradient = agreement * source.T @ slope / len(source)
        # ln(1 + exp(score of the answer − mean of the others)): least when another class is far ahead.
        scores = window @ weights
        ahead = scores[others, disagree] - (scores.sum(axis=1) - scores[others, disagree]) / (k - 1)
        total += -log_expit(-ahead).mean()
        push = np.full_like(scores, -1.0 / (k - 1))
        push[others, disagree] = 1.0
        gradient += window.T @ (push * expit(ahead)[:, None]) / len(window)
        return float(total + 0.5 * PULL * flat @ flat), (gradient + PULL * weights).ravel()

    start = np.zeros(source.shape[1] * k)
    return np.asarray(
        minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS}).x.reshape(-1, k)
    )


def _linear_inputs(features: Matrix, p: Matrix, usual: Matrix, category_sizes: Sequence[int]) -> Matrix:
    """One column per code and for missing, numbers standardised by the reference, log-probabilities, and a 1."""
    columns = [np.ones(len(features)), *np.log(np.clip(p, SMALLEST, 1.0)).T / 5.0]
    for column, size in enumerate(category_sizes):
        values = features[:, column]
        missing = np.isnan(values)
        columns.append(missing.astype(np.float64))
        if size:
            columns += [(values == code).astype(np.float64) for code in range(size)]
            continue
        known = usual[~np.isnan(usual[:, column]), column]
        mean, spread = (known.mean(), known.std()) if len(known) else (0.0, 0.0)
        standard = (values - mean) / (spread if spread > 0.0 else 1.0)
        columns.append(np.where(missing, 0.0, np.clip(standard, -MOST_DEVIATIONS, MOST_DEVIATIONS)))
    return np.column_stack(columns)
