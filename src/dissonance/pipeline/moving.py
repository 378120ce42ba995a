"""From the incumbent towards what was just fitted: calibrate, find the step, and make one proposer of both."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.policy import Policy
from dissonance.decisions.models import Critic, Proposer
from dissonance.pipeline.training import LabelledRows
from dissonance.science.blend import BlendProposer, blend
from dissonance.science.dissonance import critic_distribution, dissonance
from dissonance.science.estimators import EstimatorProposer
from dissonance.science.merge import merge
from dissonance.science.mixing import Calibration, mixed
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.step import (
    GRID,
    Doubted,
    HeldOut,
    largest_step,
    mean_kl,
    penalised_step,
    penalty_gain,
    row_losses,
)

Matrix = NDArray[np.float64]


class Unseen(NamedTuple):
    """Labelled rows with what a newly fitted proposer that did not see them answers, (n, k); `fresh`: of today's
    traffic, so that they may speak against the update."""

    rows: LabelledRows
    probabilities: Matrix
    fresh: bool = False


class Move(NamedTuple):
    """`proposer` is the update; `numbers` say how far it went and what that did (`CandidateRegistered.numbers`)."""

    proposer: LightGBMProposer | EstimatorProposer | BlendProposer
    calibration: Calibration
    step: float
    numbers: dict[str, float]


def move(
    incumbent: Proposer,
    critic: Critic,
    fitted: LightGBMProposer | EstimatorProposer,
    calibration: Calibration,
    unseen: Unseen,
    window: Matrix,
    policy: Policy,
) -> Move:
    """`unseen`: rows that neither model was fitted on, at least one; `window`: features of the last mature window,
    (n, d). The step goes as far as `KL_eps` allows on it; with a penalty in force, as far as held-out loss and penalty
    together want."""
    p_old, p_new = incumbent.probabilities(window), fitted.probabilities(window)
    most = largest_step(p_old, p_new, calibration, policy.KL_eps)
    held = HeldOut(incumbent.probabilities(unseen.rows.features), unseen.probabilities, unseen.rows.classes)
    steps = np.linspace(0.0, most, GRID)
    doubted = Doubted(steps, np.array([_mean_dissonance(critic, window, p_old, p_new, t, calibration) for t in steps]))
    step = penalised_step(held, doubted, calibration, weight=policy.lambda_in_force, d_target=policy.D_target)
    gain = penalty_gain(held, doubted, calibration, weight=policy.lambda_max, d_target=policy.D_target)
    before, after = row_losses(held, 0.0, calibration), row_losses(held, step, calibration)
    numbers = {
        "step": step,
        "largest_step": most,
        "kl": mean_kl(p_old, p_new, step, calibration),
        "lambda": policy.lambda_in_force,
        "calibration_scale": calibration.scale,
        "held_out_rows": float(len(held.classes)),
        "held_out_loss_before": float(before.mean()),
        "held_out_loss_after": float(after.mean()),
        "window_rows": float(len(window)),
    }
    if unseen.fresh:
        numbers["held_out_rise"] = float((after - before).mean())
        numbers["held_out_rise_error"] = float((after - before).std() / np.sqrt(len(before)))
    if gain is not None:
        numbers |= {"penalty_gain": gain.gain, "penalty_gain_error": gain.error}
    return Move(_made(incumbent, fitted, step, calibration), calibration, step, numbers)


def can_move_from(incumbent: Proposer) -> bool:
    """Whether an update can be made from this model: one of ours, of either kind."""
    if isinstance(incumbent, EstimatorProposer):
        return incumbent.made_here
    return isinstance(incumbent, LightGBMProposer | BlendProposer)


def _made(
    incumbent: Proposer, fitted: LightGBMProposer | EstimatorProposer, step: float, calibration: Calibration
) -> LightGBMProposer | EstimatorProposer | BlendProposer:
    if isinstance(fitted, LightGBMProposer) and isinstance(incumbent, LightGBMProposer):
        return merge(incumbent, fitted, step, calibration)
    if isinstance(fitted, EstimatorProposer) and isinstance(incumbent, EstimatorProposer | BlendProposer):
        return blend(incumbent, fitted, step, calibration)
    return fitted


def _mean_dissonance(
    critic: Critic, window: Matrix, p_old: Matrix, p_new: Matrix, step: float, calibration: Calibration
) -> float:
    p = mixed(p_old, p_new, step, calibration)
    return float(dissonance(p, critic_distribution(p, critic.confidence(window, p))).mean())
