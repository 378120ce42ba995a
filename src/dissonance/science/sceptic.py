"""The critic as a sceptic: a second model of the labels that starts from the proposer's own log-odds and corrects them.

q(y | x) is the proposer's distribution p moved by an offset for each class and by boosted trees on the inputs and the
confidence, fitted on labelled rows weighted by the density ratio to the traffic of today. c(x), its mass on the
proposer's answer, is the probability that the answer is right for such traffic. Starting from p, few rows suffice;
starting from the labels rather than from "right or wrong", a correction is signed: what speaks for one class speaks
against the others (ADR 33 has what this was measured against). Trees: Ke et al. 2017; weights: `density`; a start from
another model's scores: Friedman 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import lightgbm
import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp, softmax

from dissonance.errors import ModelRefused
from dissonance.science.arrays import Classes, Matrix, Vector

ROUNDS = 60
FOLDS = 5
OFFSET_ROWS = 30.0
"""The pull of the offsets towards 0 is as strong as this many rows."""
LEAST_PROBABILITY = 1e-3
"""Probabilities are cut to at least this before their logarithm is the start of the trees."""

PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.08,
    "num_leaves": 4,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "feature_fraction": 0.8,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class Labelled(NamedTuple):
    """`features` (n, d), NaN = missing; `p` (n, k), the proposer's distribution on rows that it was not fitted on;
    `classes` (n,), the true class."""

    features: Matrix
    p: Matrix
    classes: Classes

    @property
    def right(self) -> Vector:
        """1 where the proposer's answer is the true class, else 0, (n,)."""
        return np.asarray(self.p.argmax(axis=1) == self.classes, dtype=np.float64)

    def take(self, rows: Any) -> Labelled:
        """Those rows: indices or a mask."""
        return Labelled(self.features[rows], self.p[rows], self.classes[rows])


class ScepticModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is stored, as JSON: log-odds added to each class, and LightGBM's own text."""

    offsets: tuple[float, ...]
    trees: str
    version: int = 2


class Sceptic:
    """A fitted critic; pure, and may be shared between threads."""

    def __init__(self, model: ScepticModel, booster: lightgbm.Booster) -> None:
        self.model = model
        self._offsets = np.array(model.offsets)
        self._booster = booster

    @classmethod
    def from_json(cls, data: bytes) -> Sceptic:
        """Raises `ModelRefused` when the bytes are no critic of version 2."""
        try:
            model = msgspec.json.decode(data, type=ScepticModel)
            booster = lightgbm.Booster(model_str=model.trees)
        except (msgspec.MsgspecError, lightgbm.basic.LightGBMError) as error:
            raise _refused(f"it cannot be read: {error}") from error
        if model.version != 2:
            raise _refused(f"it is of version {model.version}; this release reads 2")
        if booster.num_model_per_iteration() != _outputs(len(model.offsets)):
            raise _refused("its trees are for another number of classes than its offsets")
        return cls(model, booster)

    @property
    def classes_count(self) -> int:
        return len(self.model.offsets)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self.model)

    def distribution(self, features: Matrix, p: Matrix) -> Matrix:
        """q: (n, k), rows sum to 1, for `features` (n, d) and the proposer's `p` (n, k)."""
        if not len(p):
            return np.empty((0, self.classes_count))
        logs = _log(p)
        design = _design(features, p, logs)
        moved = np.asarray(self._booster.predict(design, raw_score=True, num_threads=1), dtype=np.float64)
        if self.classes_count == 2:
            second = expit(logs[:, 1] - logs[:, 0] + (self._offsets[1] - self._offsets[0]) + moved)
            return np.column_stack((1.0 - second, second))
        return np.asarray(softmax(logs + self._offsets + moved, axis=1))

    def confidence(self, features: Matrix, p: Matrix) -> Vector:
        """c: (n,), in (0, 1): the probability that the proposer's answer is right."""
        return np.asarray(self.distribution(features, p)[np.arange(len(p)), p.argmax(axis=1)])


def fit_sceptic(
    rows: Labelled, *, category_sizes: Sequence[int], seed: int, weights: Vector | None = None, rounds: int = ROUNDS
) -> Sceptic:
    """Fit on n ≥ 1 rows that the proposer was not fitted on; `weights` (n,), all 1 when left out."""
    k = rows.p.shape[1]
    parameters = PARAMETERS | {"seed": seed, "objective": "binary" if k == 2 else "multiclass"}
    if k > 2:
        parameters["num_class"] = k
    offsets = _class_offsets(rows, np.ones(len(rows.classes)) if weights is None else weights)
    logs = _log(rows.p)
    start = logs + offsets
    design = _design(rows.features, rows.p, logs)
    # A leaf may not ask for more rows than a small reference can give.
    parameters["min_data_in_leaf"] = max(1, min(parameters["min_data_in_leaf"], len(rows.classes) // 20))
    data = lightgbm.Dataset(
        design,
        rows.classes,
        weight=weights,
        init_score=start[:, 1] - start[:, 0] if k == 2 else start,
        categorical_feature=[column for column, size in enumerate(category_sizes) if size > 0],
    )
    trees = str(lightgbm.train(parameters, data, rounds).model_to_string())
    # Through the text and back: what serves is exactly what is stored.
    return Sceptic(ScepticModel(tuple(offsets.tolist()), trees), lightgbm.Booster(model_str=trees))


def out_of_fold_confidence(rows: Labelled, *, category_sizes: Sequence[int], seed: int) -> Vector:
    """c of each row by a critic that was not fitted on it: (n,) (Stone 1974)."""
    fold = np.random.default_rng(seed).permutation(len(rows.classes)) % FOLDS
    confidence = np.empty(len(rows.classes))
    for number in range(FOLDS):
        held = fold == number
        critic = fit_sceptic(rows.take(~held), category_sizes=category_sizes, seed=seed)
        confidence[held] = critic.confidence(rows.features[held], rows.p[held])
    return confidence


def _class_offsets(rows: Labelled, weights: Vector) -> Vector:
    """Log-odds to add to each class, (k,): the trees have no intercept, and their penalty holds them back from one."""
    scores = _log(rows.p)
    truth = np.eye(rows.p.shape[1])[rows.classes]
    counts = weights * (weights.sum() / (weights**2).sum())

    def loss(offsets: Vector) -> tuple[float, Vector]:
        raw = scores + offsets
        logs = raw - logsumexp(raw, axis=1, keepdims=True)
        slope = counts @ (np.exp(logs) - truth)
        return float(-(counts @ (logs * truth)).sum() + 0.5 * OFFSET_ROWS * offsets @ offsets), (
            slope + OFFSET_ROWS * offsets
        )

    return np.asarray(minimize(loss, np.zeros(len(truth[0])), jac=True, method="L-BFGS-B").x)


def _refused(what: str) -> ModelRefused:
    return ModelRefused(f"the critic was refused: {what}", where="model artefact", fix="retrain, or roll back")


def _outputs(classes_count: int) -> int:
    return 1 if classes_count == 2 else classes_count


def _log(p: Matrix) -> Matrix:
    return np.asarray(np.log(np.clip(p, LEAST_PROBABILITY, 1.0)))


def _design(features: Matrix, p: Matrix, logs: Matrix) -> Matrix:
    """(n, d + 2): the inputs, then the log-odds of the answer and the answer; with two classes, of the second class."""
    if p.shape[1] == 2:
        return np.column_stack((features, logs[:, 1] - logs[:, 0]))
    top = np.clip(p.max(axis=1), LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return np.column_stack((features, np.log(top / (1.0 - top)), p.argmax(axis=1)))
