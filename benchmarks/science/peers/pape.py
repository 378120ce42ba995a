"""PAPE, probabilistic adaptive performance estimation (Białek et al. 2024, "Estimating Model Performance Under
Covariate Shift Without Labels"): CBPE whose calibration is fitted anew for every window, weighted by the density ratio.

Ours, after the paper and the settings its authors publish (LightGBM's defaults for ratio and calibration): NannyML's
open package does not have PAPE. The paper treats two classes; for more, one calibration a class, then rows are scaled
to sum to 1, as NannyML does in CBPE.
"""

from __future__ import annotations

import lightgbm
import numpy as np

from dissonance.science.arrays import Matrix, Vector
from science.estimate import Estimate, Known, Traffic
from science.peers.density import density_ratio, parameters


def pape(known: Known, traffic: Traffic) -> Estimate:
    weights, reference, answers = density_ratio(known, traffic), known.reference, traffic.p.argmax(axis=1)
    classes = reference.p.shape[1]
    if classes == 2:
        positive = _calibrated(reference.p[:, 1], reference.classes == 1, weights, traffic.p[:, 1])
        return Estimate(float(np.mean(np.where(answers == 1, positive, 1.0 - positive))))
    calibrated: Matrix = np.column_stack(
        [
            _calibrated(reference.p[:, number], reference.classes == number, weights, traffic.p[:, number])
            for number in range(classes)
        ]
    )
    total = calibrated.sum(axis=1)
    # A row that no class claims has nothing to scale: every class is as likely.
    of_answer = np.where(
        total > 0.0, calibrated[np.arange(len(answers)), answers] / np.maximum(total, 1e-12), 1.0 / classes
    )
    return Estimate(float(of_answer.mean()))


def _calibrated(scores: Vector, positive: np.ndarray, weights: Vector, of_window: Vector) -> Vector:
    data = lightgbm.Dataset(scores[:, None], positive.astype(np.float64), weight=weights, params={"verbosity": -1})
    fitted = lightgbm.train(parameters("regression"), data)
    return np.asarray(np.clip(fitted.predict(of_window[:, None], num_threads=1), 0.0, 1.0), dtype=np.float64)
