"""The proposer: gradient-boosted trees with real categories and real missing values (Ke et al. 2017, LightGBM).

Same data, same seed, same number of threads: same model, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import lightgbm
import msgspec
import numpy as np
from scipy.special import logsumexp

from dissonance.errors import ModelFailed, ModelRefused
from dissonance.science.arrays import Classes, Mask, Matrix, Vector

MAX_ROUNDS = 600
PATIENCE_ROUNDS = 30
STOPPING_SHARE = 0.15
"""Share of the training rows that decides the number of trees; the model is then fitted on all of them."""

LEAST_TARGET = 0.01
"""A class that a row teaches by less is left out: with many classes most shares are next to nothing."""

PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.06,
    "num_leaves": 31,
    "min_data_in_leaf": 40,
    "lambda_l2": 1.0,
    "max_cat_to_onehot": 4,
    "cat_smooth": 20.0,
    "feature_fraction": 0.8,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class Component(msgspec.Struct, frozen=True):
    """Trees of one fit within a model, in order, and the share of the log-odds that they give, in (0, 1]."""

    trees: int
    share: float


Progress = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""


class Grow(Protocol):
    """Trees grown elsewhere than on this machine, from the same arguments as `lightgbm.train` would take.

    `rounds` of boosting on `features` (n, d), `classes` (n,) and `weights` (n,), None for all alike. May be called from
    a thread; blocks.
    """

    def __call__(
        self,
        parameters: Mapping[str, Any],
        features: Matrix,
        classes: Classes,
        weights: Vector | None,
        categories: Sequence[int],
        rounds: int,
    ) -> lightgbm.Booster: ...


class LightGBMProposer:
    """A fitted model. `probabilities` uses one thread, so that the same rows always get the same answer."""

    def __init__(self, booster: lightgbm.Booster, classes_count: int, components: tuple[Component, ...] = ()) -> None:
        self._booster = booster
        self._classes_count = classes_count
        self.components = components or (Component(booster.num_trees(), 1.0),)

    @classmethod
    def from_text(cls, text: str, classes_count: int, components: tuple[Component, ...] = ()) -> LightGBMProposer:
        """`components`: which trees came from which fit; all from one when left out. Raises `ModelRefused` when the
        text is no model, one of another number of classes, or its trees are not those of the components."""
        try:
            booster = lightgbm.Booster(model_str=text)
            outputs = booster.num_model_per_iteration()
        except lightgbm.basic.LightGBMError as error:
            raise ModelRefused(
                f"the model was refused: its text is not LightGBM's: {error}",
                where="model artefact",
                fix="register it again",
            ) from error
        if outputs != (1 if classes_count == 2 else classes_count):
            raise ModelRefused(
                f"the model was refused: it answers with {outputs} numbers, the task has {classes_count} classes",
                where="model artefact",
                fix="train it on this task",
            )
        if components and sum(component.trees for component in components) != booster.num_trees():
            raise ModelRefused(
                "the model was refused: its trees are not those of its components",
                where="model artefact",
                fix="retrain, or roll back",
            )
        return cls(booster, classes_count, components)

    @property
    def classes_count(self) -> int:
        return self._classes_count

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order; those that had none are `Column_<place>`."""
        return [str(name) for name in self._booster.feature_name()]

    @property
    def rounds(self) -> int:
        """Boosting rounds: trees of one class."""
        return self._booster.num_trees() // self._booster.num_model_per_iteration()

    @property
    def text(self) -> str:
        """LightGBM's own text format."""
        return str(self._booster.model_to_string())

    def probabilities(self, features: Matrix) -> Matrix:
        """(n, d) to (n, k); rows sum to 1. Raises `ModelFailed` where LightGBM refuses the rows."""
        if not len(features):
            return np.empty((0, self._classes_count))
        try:
            raw = np.asarray(self._booster.predict(features, num_threads=1), dtype=np.float64)
        except lightgbm.basic.LightGBMError as error:
            raise ModelFailed(
                f"LightGBM refused the rows: {error}", where="model", fix="retrain, or take the version back"
            ) from error
        if self._classes_count == 2:
            return np.stack((1.0 - raw, raw), axis=1)
        return np.asarray(raw / raw.sum(axis=1, keepdims=True))

    def unused_columns(self) -> tuple[int, ...]:
        """Columns that no tree splits on: no answer depends on them."""
        splits = np.asarray(self._booster.feature_importance("split"))
        return tuple(int(column) for column in np.flatnonzero(splits == 0))

    def attributions(self, features: Matrix) -> Matrix:
        """TreeSHAP (Lundberg et al. 2020): (n, outputs × (d + 1)) in log-odds, the last of each output its base."""
        return np.asarray(self._booster.predict(features, pred_contrib=True, num_threads=1), dtype=np.float64)


def fit_lightgbm(
    features: Matrix,
    classes: Classes,
    *,
    category_sizes: Sequence[int],
    classes_count: int,
    seed: int,
    threads: int,
    targets: Matrix | None = None,
    rounds: int | None = None,
    progress: Progress | None = None,
    grow: Grow | None = None,
) -> LightGBMProposer:
    """Fit on (n, d) features and (n,) class indices; `category_sizes[j]` is 0 where column j is a number.

    With `targets`, (n, k), rows sum to 1, a row teaches every class by its share instead of `classes`. The number of
    boosting rounds is found by early stopping on a random part of the rows unless it is given, then all rows are used.
    `grow`: who grows the trees, this machine when left out.
    """
    parameters = PARAMETERS | {"seed": seed, "num_threads": threads}
    if classes_count == 2:
        parameters |= {"objective": "binary"}
    else:
        parameters |= {"objective": "multiclass", "num_class": classes_count}
    # A leaf may not ask for more rows than a small data set can give.
    parameters["min_data_in_leaf"] = max(1, min(parameters["min_data_in_leaf"], len(features) // 50))
    categories = [column for column, size in enumerate(category_sizes) if size > 0]

    copies = _copies(classes, targets)
    parameters["min_data_in_leaf"] = round(parameters["min_data_in_leaf"] * len(copies.rows) / len(features))
    if rounds is None:
        held = _held(len(features), seed)
        if grow is None:
            rounds = _rounds(parameters, features, copies, categories, held, progress)
        else:
            rounds = _rounds_afterwards(grow, parameters, features, copies, categories, held)
    if grow is None:
        booster = lightgbm.train(
            parameters,
            _dataset(parameters, features, copies, categories),
            rounds,
            callbacks=_reporting(progress, 0.5, rounds),
        )
    else:
        booster = grow(parameters, features[copies.rows], copies.classes, copies.weights, categories, rounds)
    # Through the text and back: what serves is exactly what is stored.
    return LightGBMProposer.from_text(booster.model_to_string(), classes_count)


class _Copies(NamedTuple):
    """What is taught: `rows` of the features, each with a class and a weight (m,). A row of several classes is there
    once for each, so that the objective, and with it the form of the model, stays what it is."""

    rows: Classes
    classes: Classes
    weights: Vector | None

    def only(self, keep: Mask) -> _Copies:
        inside = keep[self.rows]
        return _Copies(self.rows[inside], self.classes[inside], None if self.weights is None else self.weights[inside])


def _copies(classes: Classes, targets: Matrix | None) -> _Copies:
    if targets is None:
        return _Copies(np.arange(len(classes)), classes, None)
    shares = np.where(targets >= LEAST_TARGET, targets, 0.0)
    rows, taught = np.nonzero(shares)
    return _Copies(rows, taught.astype(np.int64), (shares / shares.sum(axis=1, keepdims=True))[rows, taught])


def _dataset(
    parameters: dict[str, Any],
    features: Matrix,
    copies: _Copies,
    categories: list[int],
    reference: lightgbm.Dataset | None = None,
) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        features[copies.rows],
        copies.classes,
        weight=copies.weights,
        categorical_feature=categories,
        reference=reference,
        params=parameters,
    )


def _rounds(
    parameters: dict[str, Any],
    features: Matrix,
    copies: _Copies,
    categories: list[int],
    held: Mask,
    progress: Progress | None,
) -> int:
    """By early stopping on rows that were held out, with all copies of each."""
    fitting = _dataset(parameters, features, copies.only(~held), categories)
    trial = lightgbm.train(
        parameters,
        fitting,
        MAX_ROUNDS,
        valid_sets=[_dataset(parameters, features, copies.only(held), categories, fitting)],
        callbacks=[lightgbm.early_stopping(PATIENCE_ROUNDS, verbose=False), *_reporting(progress, 0.0, MAX_ROUNDS)],
    )
    return max(1, trial.best_iteration)


def _rounds_afterwards(
    grow: Grow,
    parameters: dict[str, Any],
    features: Matrix,
    copies: _Copies,
    categories: list[int],
    held: Mask,
) -> int:
    """Where `_rounds` would have stopped: who grows elsewhere grows all, and the best round is found here."""
    fitting, judging = copies.only(~held), copies.only(held)
    judged = features[judging.rows]
    booster = grow(parameters, features[fitting.rows], fitting.classes, fitting.weights, categories, MAX_ROUNDS)
    outputs = booster.num_model_per_iteration()
    scores = np.zeros((len(judging.rows), outputs))
    best, best_loss = 0, np.inf
    for number in range(booster.current_iteration()):
        scores += np.asarray(
            booster.predict(judged, raw_score=True, start_iteration=number, num_iteration=1, num_threads=1)
        ).reshape(scores.shape)
        loss = _log_loss(scores, judging)
        if loss < best_loss:
            best, best_loss = number, loss
        elif number - best >= PATIENCE_ROUNDS:
            break
    return best + 1


def _log_loss(scores: Matrix, copies: _Copies) -> float:
    """Mean negative log-likelihood in nats of log-odds (n, 1) or scores (n, k)."""
    if scores.shape[1] == 1:
        scores = np.column_stack((np.zeros(len(scores)), scores))
    losses = logsumexp(scores, axis=1) - scores[np.arange(len(scores)), copies.classes]
    return float(np.average(losses, weights=copies.weights))


def _held(count: int, seed: int) -> Mask:
    """(n,): the rows that decide the number of trees."""
    held = np.zeros(count, dtype=np.bool_)
    held[np.random.default_rng(seed).permutation(count)[: max(1, int(STOPPING_SHARE * count))]] = True
    return held


def _reporting(progress: Progress | None, start: float, rounds: int) -> list[Callable[[Any], None]]:
    if progress is None:
        return []

    def report(environment: Any) -> None:
        progress(start + 0.5 * (environment.iteration + 1) / rounds)

    return [report]
