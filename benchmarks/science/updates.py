"""Updates against doing nothing, continued boosting and plain retraining, on the same labels (design section 5).

The first part of a case's target rows is today's traffic: labels are of rows in it, and it is the window of the trust
region. What comes after, and source rows nobody learnt from, say how good each model is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dissonance.contracts.policy import Policy
from dissonance.science.arrays import Classes, Matrix
from dissonance.science.density import density_ratio
from dissonance.science.dissonance import critic_distribution, dissonance
from dissonance.science.metrics import accuracy, brier_score, expected_calibration_error, log_loss
from dissonance.science.mixing import Calibration, fit_calibration, mixed
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.renewal import PULL_ROWS, Believed, Renewed, renew
from dissonance.science.sceptic import Labelled, Sceptic, fit_sceptic, out_of_fold_confidence
from dissonance.science.signed import SignedFit
from dissonance.science.step import GRID, Doubted, HeldOut, largest_step, penalised_step
from dissonance.science.thresholds import Caps, reference_thresholds
from science.cases import CASES
from science.changes import CHANGED_CASES, concept_rows, finder_rows, poison_rows
from science.prepare import Prepared
from science.setting import Setting, continued, plain, setting_of
from science.updates_summary import summary

__all__ = ["TITLE", "rows", "summary"]

LABELS = (0, 50, 200)
FOLDS = 2
ROUNDS = 5
"""Of updates with the same labels, each within the trust region of the one before."""
POLICY = Policy()
TITLE = "Updates, changed concepts and poisoned labels"
SHIPPED = frozenset(case.name for case in CASES)
VARIANTS = ("-mostly", "-hardly", "-hidden")


def renewed(setting: Setting, fresh: Believed, weights: Matrix) -> Renewed[LightGBMProposer]:
    draw = np.random.default_rng([setting.seed, len(fresh.classes)])
    folds = [draw.permutation(len(rows.classes)) % FOLDS for rows in (setting.reference, fresh)]
    return renew(
        SignedFit(setting.category_sizes, setting.classes_count, setting.seed),
        setting.train,
        setting.reference,
        fresh,
        weights=weights,
        folds=(folds[0], folds[1]),
    )


def answers(setting: Setting, fresh: Believed) -> Iterator[tuple[str, Matrix, Matrix]]:
    """Each method with its p of the later target rows and of the source rows."""
    later, source = setting.later, setting.source
    yield "frozen", later.p, source.p
    for name, model in (("continued", continued(setting, fresh)), ("retrain", plain(setting, fresh))):
        yield name, model.probabilities(later.features), model.probabilities(source.features)
    ratio = density_ratio(
        setting.reference.features, setting.today.features, category_sizes=setting.category_sizes, seed=setting.seed
    )
    new = renewed(setting, fresh, ratio.weights)
    p_later, p_source = new.model.probabilities(later.features), new.model.probabilities(source.features)
    yield "signed", p_later, p_source
    unweighted = fit_calibration(
        np.concatenate((new.p_reference, new.p_fresh)),
        np.concatenate((setting.reference.classes, fresh.classes)),
        pull_rows=PULL_ROWS,
    )
    for name, calibration in (("calibrated, no weights", unweighted), ("calibrated", new.calibration)):
        yield name, mixed(later.p, p_later, 1.0, calibration), mixed(source.p, p_source, 1.0, calibration)
    p_today = new.model.probabilities(setting.today.features)
    step = largest_step(setting.today.p, p_today, new.calibration, POLICY.KL_eps)
    yield "update", mixed(later.p, p_later, step, new.calibration), mixed(source.p, p_source, step, new.calibration)
    step = penalised(setting, fresh, new, p_today, step)
    yield (
        "update, penalty",
        mixed(later.p, p_later, step, new.calibration),
        mixed(source.p, p_source, step, new.calibration),
    )
    old_today, old_later, old_source = setting.today.p, later.p, source.p
    for _ in range(ROUNDS):
        step = largest_step(old_today, p_today, new.calibration, POLICY.KL_eps)
        old_today, old_later, old_source = (
            mixed(old, p, step, new.calibration)
            for old, p in ((old_today, p_today), (old_later, p_later), (old_source, p_source))
        )
    yield f"update, {ROUNDS} rounds", old_later, old_source


def penalised(setting: Setting, fresh: Believed, new: Renewed[LightGBMProposer], p_today: Matrix, most: float) -> float:
    """The step that the penalty at its full weight chooses."""
    held = fresh if len(fresh.classes) else setting.reference
    p_held = new.p_fresh if len(fresh.classes) else new.p_reference
    reference, sizes = setting.reference, setting.category_sizes
    doubted = Labelled(reference.features, reference.p, reference.classes)
    critic = fit_sceptic(doubted, category_sizes=sizes, seed=setting.seed)
    confidence = out_of_fold_confidence(doubted, category_sizes=sizes, seed=setting.seed)
    usual = dissonance(reference.p, critic_distribution(reference.p, confidence))
    caps = Caps(POLICY.D_target, POLICY.max_dissonance, POLICY.max_doubt)
    limits = reference_thresholds(
        usual, 1.0 - confidence, window_rows=len(setting.today.classes), caps=caps, seed=setting.seed
    )
    steps = np.linspace(0.0, most, GRID)
    means = np.array([mean_dissonance(critic, setting.today, p_today, step, new.calibration) for step in steps])
    return penalised_step(
        HeldOut(held.p, p_held, held.classes),
        Doubted(steps, means),
        new.calibration,
        weight=POLICY.lambda_max,
        d_target=limits.target,
    )


def mean_dissonance(critic: Sceptic, today: Believed, p_new: Matrix, step: float, calibration: Calibration) -> float:
    p = mixed(today.p, p_new, step, calibration)
    return float(dissonance(p, critic_distribution(p, critic.confidence(today.features, p))).mean())


def metrics(p: Matrix, classes: Classes) -> dict[str, float]:
    right = (p.argmax(axis=1) == classes).astype(np.float64)
    return {
        "log_loss": log_loss(p, classes),
        "ece": expected_calibration_error(p.max(axis=1), right),
        "brier": brier_score(p, classes),
        "accuracy": accuracy(p, classes),
    }


def rows(prepared: Prepared) -> list[dict[str, Any]]:
    """Flat rows of all parts that this case is in; none for shipped cases that are variants of others."""
    if not is_measured(prepared):
        return []
    setting = setting_of(prepared)
    found = [
        {"part": "update", "method": method, "labels": labels, "metric": f"{where}_{name}", "value": value}
        for labels in LABELS
        for method, p_later, p_source in answers(
            setting, setting.today.at(np.arange(len(setting.today.classes)) < labels)
        )
        for where, p, believed in (("target", p_later, setting.later), ("source", p_source, setting.source))
        for name, value in metrics(p, believed.classes).items()
    ]
    if prepared.case in CHANGED_CASES or prepared.case not in SHIPPED:
        found += [*concept_rows(prepared, setting), *finder_rows(prepared), *poison_rows(prepared, setting)]
    return [{"case": prepared.case, "group": prepared.group, "seed": prepared.seed, **row} for row in found]


def is_measured(prepared: Prepared) -> bool:
    """Of the cases that ship those of two classes, since a fit of ten classes takes ten times as long and more, and
    of a slice one case."""
    if prepared.case not in SHIPPED:
        return True
    return prepared.classes_count == 2 and not prepared.case.endswith(VARIANTS)
