"""Fit a pair: a proposer, and the critic that doubts it, on rows the proposer was not fitted on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.decisions.models import Critic
from dissonance.science.dissonance import critic_distribution, dissonance
from dissonance.science.estimators import EstimatorProposer, fit_estimator
from dissonance.science.metrics import accuracy, brier_score, expected_calibration_error, log_loss
from dissonance.science.proportions import Interval, wilson_interval
from dissonance.science.proposer import Grow, LightGBMProposer, fit_lightgbm
from dissonance.science.renewal import Believed, Fit
from dissonance.science.sceptic import Labelled, Sceptic, fit_sceptic
from dissonance.science.signed import SignedFit

Proposer = LightGBMProposer | EstimatorProposer


class LabelledRows(NamedTuple):
    """`features` (n, d); `classes` (n,): index of each row's class."""

    features: NDArray[np.float64]
    classes: NDArray[np.int64]

    def at(self, positions: NDArray[np.int64]) -> LabelledRows:
        return LabelledRows(self.features[positions], self.classes[positions])

    def __add__(self, other: LabelledRows) -> LabelledRows:  # type: ignore[override]  # rows, not tuple items
        return LabelledRows(np.vstack((self.features, other.features)), np.concatenate((self.classes, other.classes)))


class Recipe(NamedTuple):
    """How to fit: all that a fit depends on beside its rows. `estimator`: a scikit-learn classifier, else LightGBM; its
    trees are grown by `grow`, or by this machine."""

    category_sizes: tuple[int, ...]
    classes_count: int
    seed: int
    threads: int = 1
    estimator: Any = None
    grow: Grow | None = None

    def fit_proposer(self, rows: LabelledRows, progress: Callable[[float], None] | None = None) -> Proposer:
        if self.estimator is not None:
            return fit_estimator(
                self.estimator,
                rows.features,
                rows.classes,
                category_sizes=self.category_sizes,
                classes_count=self.classes_count,
                seed=self.seed,
            )
        return fit_lightgbm(
            rows.features,
            rows.classes,
            category_sizes=self.category_sizes,
            classes_count=self.classes_count,
            seed=self.seed,
            threads=self.threads,
            progress=progress,
            grow=self.grow,
        )

    @property
    def update(self) -> Fit[Proposer]:
        """How an update is fitted on old and fresh rows."""
        if self.estimator is not None:
            return AlikeFit(self)
        return CorrectedFit(SignedFit(self.category_sizes, self.classes_count, self.seed, self.threads, grow=self.grow))

    def fit_critic(self, rows: Labelled) -> Sceptic:
        """`rows.p` come from a proposer that did not see the rows."""
        return fit_sceptic(rows, category_sizes=self.category_sizes, seed=self.seed)

    @property
    def parameters(self) -> dict[str, str]:
        """For the record of the run."""
        kind = "LightGBM" if self.estimator is None else type(self.estimator).__name__
        return {"model": kind, "seed": str(self.seed), "threads": str(self.threads)}


class CorrectedFit(NamedTuple):
    """LightGBM, with the signed correction."""

    fit: SignedFit

    def __call__(self, old: Believed, fresh: Believed) -> Proposer:
        return self.fit(old, fresh)

    def like(self, whole: Proposer) -> CorrectedFit:
        return CorrectedFit(self.fit.like(whole)) if isinstance(whole, LightGBMProposer) else self


class AlikeFit(NamedTuple):
    """Old and fresh rows alike: a classifier of scikit-learn need not take shares of classes, nor can a feature be
    fixed in it, so that it has no signed correction."""

    recipe: Recipe

    def __call__(self, old: Believed, fresh: Believed) -> Proposer:
        both = old.and_then(fresh)
        return self.recipe.fit_proposer(LabelledRows(both.features, both.classes))

    def like(self, whole: Proposer) -> AlikeFit:
        return self


class Score(NamedTuple):
    """A proposer on labelled rows it never saw. `interval` of the accuracy at 95 %; log loss in nats."""

    rows: int
    accuracy: float
    interval: Interval
    log_loss: float
    brier: float

    @property
    def metrics(self) -> dict[str, float]:
        return {
            "golden_rows": float(self.rows),
            "golden_accuracy": self.accuracy,
            "golden_accuracy_low": self.interval.low,
            "golden_accuracy_high": self.interval.high,
            "golden_log_loss": self.log_loss,
            "golden_brier": self.brier,
        }


def score(proposer: Any, rows: LabelledRows) -> Score:
    """`proposer` has `probabilities`; n is at least 1."""
    p = proposer.probabilities(rows.features)
    right = int((p.argmax(axis=1) == rows.classes).sum())
    return Score(
        rows=len(rows.classes),
        accuracy=accuracy(p, rows.classes),
        interval=wilson_interval(right, len(rows.classes)),
        log_loss=log_loss(p, rows.classes),
        brier=brier_score(p, rows.classes),
    )


def critic_metrics(critic: Critic, proposer: Any, rows: LabelledRows) -> dict[str, float]:
    """What the critic says of rows that neither model saw, against the truth."""
    p = proposer.probabilities(rows.features)
    c = critic.confidence(rows.features, p)
    right = (p.argmax(axis=1) == rows.classes).astype(np.float64)
    return {
        "golden_estimated_accuracy": float(c.mean()),
        "golden_realised_accuracy": float(right.mean()),
        "golden_calibration_error": expected_calibration_error(c, right),
        "golden_mean_dissonance": float(dissonance(p, critic_distribution(p, c)).mean()),
    }
