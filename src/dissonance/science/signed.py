"""Belief against evidence: a new model of old and fresh labelled rows, where fresh labels may contradict old ones.

Two models are fitted, and their mean log-odds served (one LightGBM file). To the first the evidence critic has spoken:
old rows are taught with `corrected_targets`. The second is told which rows are new, by one more feature, and is served
as the model of new rows. Where the concept stands still both are near the model that is fitted on all rows alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.science.arrays import Classes, Matrix
from dissonance.science.evidence import corrected_targets, fit_evidence
from dissonance.science.fixing import fix_last_feature
from dissonance.science.merge import merge
from dissonance.science.mixing import Calibration
from dissonance.science.proposer import Grow, LightGBMProposer, fit_lightgbm
from dissonance.science.renewal import Believed

OLD, NEW = 0.0, 1.0
LEAST_FRESH = 50
"""With fewer fresh rows all rows are taught alike: nothing less was measured (ADR 32)."""


class SignedFit(NamedTuple):
    """A `renewal.Fit`. With few fresh rows one model is fitted on all. `rounds`: of boosting, of the first and the
    second model; found by early stopping when empty. `grow`: who grows the trees, this machine when left out."""

    category_sizes: tuple[int, ...]
    classes_count: int
    seed: int
    threads: int = 1
    rounds: tuple[int, ...] = ()
    grow: Grow | None = None

    def __call__(self, old: Believed, fresh: Believed) -> LightGBMProposer:
        both = old.and_then(fresh)
        if not len(fresh.classes) or len(self.rounds) == 1 or (not self.rounds and len(fresh.classes) < LEAST_FRESH):
            return self._fit(both.features, both.classes, 0)
        evidence = fit_evidence(fresh.features, fresh.p, fresh.classes, category_sizes=self.category_sizes)
        targets = corrected_targets(old.classes, evidence.correction(old.features, old.p))
        taught = self._fit(
            both.features, both.classes, 0, np.concatenate((targets, np.eye(self.classes_count)[fresh.classes]))
        )
        flag = np.concatenate((np.full(len(old.classes), OLD), np.full(len(fresh.classes), NEW)))
        told = self._fit(np.column_stack((both.features, flag)), both.classes, 1)
        return merge(fix_last_feature(told, NEW), taught, 0.5, Calibration.none(self.classes_count))

    def like(self, whole: LightGBMProposer) -> SignedFit:
        outputs = 1 if self.classes_count == 2 else self.classes_count
        told_then_taught = [component.trees // outputs for component in whole.components]
        return self._replace(rounds=tuple(reversed(told_then_taught)))

    def _fit(self, features: Matrix, classes: Classes, which: int, targets: Matrix | None = None) -> LightGBMProposer:
        extra = features.shape[1] - len(self.category_sizes)
        return fit_lightgbm(
            features,
            classes,
            category_sizes=(*self.category_sizes, *[0] * extra),
            classes_count=self.classes_count,
            seed=self.seed,
            threads=self.threads,
            targets=targets,
            rounds=self.rounds[which] if self.rounds else None,
            grow=self.grow,
        )
