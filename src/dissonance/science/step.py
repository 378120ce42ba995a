"""How far an update may go, and how far it should: a trust region in KL (design section 5), and the dissonance penalty.

The bound is the idea of trust region policy optimisation (Schulman et al. 2015) on what a classifier answers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Classes, Matrix, Vector
from dissonance.science.divergences import kullback_leibler
from dissonance.science.metrics import SMALLEST
from dissonance.science.mixing import Calibration, mixed

BISECTIONS = 40
GRID = 21
"""Steps that are tried between 0 and the largest."""


class Doubted(NamedTuple):
    """Mean dissonance of what each step of the grid would answer on the window, (GRID,), in [0, 1]."""

    steps: Vector
    mean_dissonances: Vector


class HeldOut(NamedTuple):
    """Labelled rows that the new model was not fitted on: p of both (n, k), and the class (n,)."""

    p_old: Matrix
    p_new: Matrix
    classes: Classes

    def half(self, which: int) -> HeldOut:
        return HeldOut(self.p_old[which::2], self.p_new[which::2], self.classes[which::2])


class Gain(NamedTuple):
    """What the penalty is worth on held-out rows: nats of log loss, and the standard error of that."""

    gain: float
    error: float


def mean_kl(p_old: Matrix, p_new: Matrix, step: float, calibration: Calibration) -> float:
    """Mean KL(old ‖ p_t) in nats; it never falls as `step` grows."""
    return float(kullback_leibler(p_old, mixed(p_old, p_new, step, calibration)).mean())


def largest_step(p_old: Matrix, p_new: Matrix, calibration: Calibration, kl_eps: float) -> float:
    """The largest t in [0, 1] with mean KL(old ‖ p_t) at most `kl_eps` nats on these rows, by bisection.

    >>> same = np.array([[0.5, 0.5]])
    >>> largest_step(same, same, Calibration.none(2), 0.0)
    1.0
    """
    if mean_kl(p_old, p_new, 1.0, calibration) <= kl_eps:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if mean_kl(p_old, p_new, middle, calibration) <= kl_eps else (low, middle)
    return low


def penalised_step(
    held: HeldOut, doubted: Doubted, calibration: Calibration, *, weight: float, d_target: float
) -> float:
    """The step of the grid with the least L + weight · max(0, D̄ − D_target)²; the largest when `weight` is 0.

    Without the penalty the trust region alone decides: that a step within it lowers the loss on few held-out rows is
    too noisy to stop it for.
    """
    if weight == 0.0 or not len(held.classes):
        return float(doubted.steps[-1])
    excess = np.maximum(0.0, doubted.mean_dissonances - d_target)
    losses = [float(row_losses(held, step, calibration).mean()) for step in doubted.steps]
    return float(doubted.steps[int(np.argmin(np.array(losses) + weight * excess**2))])


def penalty_gain(
    held: HeldOut, doubted: Doubted, calibration: Calibration, *, weight: float, d_target: float
) -> Gain | None:
    """The penalty chooses its step on every second row; the others say what that was worth. None with too few rows."""
    choosing, judging = held.half(0), held.half(1)
    if len(judging.classes) < 2:
        return None
    with_penalty = penalised_step(choosing, doubted, calibration, weight=weight, d_target=d_target)
    without = row_losses(judging, float(doubted.steps[-1]), calibration)
    gains = without - row_losses(judging, with_penalty, calibration)
    return Gain(float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))))


def row_losses(held: HeldOut, step: float, calibration: Calibration) -> Vector:
    """−ln p_t of the true class, (n,), in nats."""
    p = mixed(held.p_old, held.p_new, step, calibration)
    return np.asarray(-np.log(np.clip(p[np.arange(len(p)), held.classes], SMALLEST, 1.0)))
