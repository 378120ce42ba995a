"""The first critic: an unweighted logistic model of "the proposer is right" (the sceptic of design section 5 without
its density weights).

c(x) = σ(b + w·s(x)), where s holds the log-odds of the top probability, the margin between the two top
probabilities, the answer, and the inputs: a category is one weight per code, a number is standardised, missing has a
weight of its own. With two classes every answer has its own weights of the inputs, since what speaks for one answer
speaks against the other. Cox (1958), "The regression analysis of binary sequences".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from dissonance.errors import ModelRefused
from dissonance.science.arrays import Classes, Matrix, Vector

SMALLEST = 1e-6
"""Probabilities are cut to [SMALLEST, 1 − SMALLEST] before their log-odds are taken."""

PENALTY = 0.02
"""scikit-learn's C, the inverse of the L2 penalty: small, since a critic that overfits doubts at random."""

MAX_ITERATIONS = 1000

Integers = NDArray[np.int64]


class CriticModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is stored, as JSON.

    `category_sizes[j]`: codes of column j, 0 for a number. `means`, `scales`: of the numbers, in order.
    `intercepts`: one per answer. `confidence_weights`: of log-odds and margin. `input_weights`: one row for all
    answers, or one per answer; in a row first each category's codes and its missing value, column by column, then
    the numbers' values, then the numbers' missing values.
    """

    category_sizes: tuple[int, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    intercepts: tuple[float, ...]
    confidence_weights: tuple[float, float]
    input_weights: tuple[tuple[float, ...], ...]
    version: int = 1


class _Inputs:
    """Where the inputs of a row find their weights."""

    def __init__(self, category_sizes: Sequence[int], means: Sequence[float], scales: Sequence[float]) -> None:
        sizes = np.array(category_sizes, dtype=np.int64)
        self._categories = np.flatnonzero(sizes > 0)
        self._numbers = np.flatnonzero(sizes == 0)
        self._missing_codes = sizes[self._categories].astype(np.float64)
        slots = sizes[self._categories] + 1
        self._starts = np.cumsum(slots) - slots
        self._means, self._scales = np.array(means), np.array(scales)
        self.first_number = int(slots.sum())
        self.first_missing = self.first_number + len(self._numbers)
        self.width = self.first_missing + len(self._numbers)

    def positions(self, features: Matrix) -> Integers:
        """(n, d) to the position of the weight of each row's value of each category."""
        codes = features[:, self._categories]
        codes = np.where(np.isnan(codes), self._missing_codes, codes)
        return np.asarray(codes.astype(np.int64) + self._starts)

    def numbers(self, features: Matrix) -> Matrix:
        """(n, d) to the standardised numbers and then, for each, 1 where it is missing and 0 elsewhere."""
        numbers = (features[:, self._numbers] - self._means) / self._scales
        missing = np.isnan(numbers)
        return np.concatenate((np.where(missing, 0.0, numbers), missing), axis=1)


class Critic:
    """A fitted critic; pure, and may be shared between threads."""

    def __init__(self, model: CriticModel) -> None:
        self.model = model
        self._inputs = _Inputs(model.category_sizes, model.means, model.scales)
        self._intercepts = np.array(model.intercepts)
        self._confidence_weights = np.array(model.confidence_weights)
        self._input_weights = np.array(model.input_weights).reshape(-1, self._inputs.width)
        self._number_weights = self._input_weights[:, self._inputs.first_number :]

    @classmethod
    def from_json(cls, data: bytes) -> Critic:
        """Raises `ModelRefused` when the bytes are no critic of version 1."""
        try:
            model = msgspec.json.decode(data, type=CriticModel)
        except msgspec.MsgspecError as error:
            raise _refused(f"it cannot be read: {error}") from error
        numbers = model.category_sizes.count(0)
        width = sum(size + 1 if size else 2 for size in model.category_sizes)
        if model.version != 1:
            raise _refused(f"it is of version {model.version}; this release reads 1")
        if len(model.input_weights) not in (1, len(model.intercepts)):
            raise _refused("it has weights for another number of answers than it knows")
        if not len(model.means) == len(model.scales) == numbers or any(len(r) != width for r in model.input_weights):
            raise _refused("its weights do not fit its columns")
        return cls(model)

    @property
    def classes_count(self) -> int:
        return len(self.model.intercepts)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self.model)

    def confidence(self, features: Matrix, probabilities: Matrix) -> Vector:
        """c: (n,), in (0, 1): the probability that the proposer's answer is right.

        `features`: (n, d), NaN = missing; `probabilities`: p (n, k).
        """
        answers = probabilities.argmax(axis=1)
        # One row of weights serves every answer where there is only one.
        row = answers if len(self._input_weights) > 1 else np.zeros_like(answers)
        positions = self._inputs.positions(features) + (row * self._inputs.width)[:, None]
        score = self._intercepts[answers] + _confidences(probabilities) @ self._confidence_weights
        score += self._input_weights.ravel()[positions].sum(axis=1)
        score += (self._inputs.numbers(features) * self._number_weights[row]).sum(axis=1)
        return np.asarray(expit(score))


def fit_critic(features: Matrix, probabilities: Matrix, classes: Classes, *, category_sizes: Sequence[int]) -> Critic:
    """Fit on rows that the proposer was not fitted on: (n, d), p (n, k), and the true class (n,).

    Where the proposer is right on every row, or on none, c is the same for all: (right + 1) / (n + 2) (Laplace).
    """
    right = probabilities.argmax(axis=1) == classes
    k = probabilities.shape[1]
    numbers = features[:, [j for j, size in enumerate(category_sizes) if size == 0]]
    means, scales = _moments(numbers)
    inputs = _Inputs(category_sizes, means, scales)
    answer_rows = k if k == 2 else 1
    if right.all() or not right.any():
        constant = float(logit((right.sum() + 1) / (len(right) + 2)))
        zeros = ((0.0,) * inputs.width,) * answer_rows
        return Critic(CriticModel(tuple(category_sizes), means, scales, (constant,) * k, (0.0, 0.0), zeros))
    model = LogisticRegression(C=PENALTY, max_iter=MAX_ITERATIONS)
    model.fit(_design(inputs, features, probabilities, answer_rows), right)
    weights = model.coef_[0]
    shared = weights[2 + k : 2 + k + inputs.width]
    own = weights[2 + k + inputs.width :].reshape(answer_rows if answer_rows > 1 else 0, inputs.width)
    input_weights = shared + own if len(own) else shared[None, :]
    return Critic(
        CriticModel(
            category_sizes=tuple(category_sizes),
            means=means,
            scales=scales,
            intercepts=tuple((model.intercept_[0] + weights[2 : 2 + k]).tolist()),
            confidence_weights=(float(weights[0]), float(weights[1])),
            input_weights=tuple(tuple(row) for row in input_weights.tolist()),
        )
    )


def out_of_fold_confidence(
    features: Matrix, probabilities: Matrix, classes: Classes, *, category_sizes: Sequence[int], folds: int, seed: int
) -> Vector:
    """c of each row by a critic that was not fitted on it: (n,). What reference thresholds rest on (Stone 1974)."""
    fold = np.random.default_rng(seed).permutation(len(features)) % folds
    confidence = np.empty(len(features))
    for number in range(folds):
        held = fold == number
        critic = fit_critic(features[~held], probabilities[~held], classes[~held], category_sizes=category_sizes)
        confidence[held] = critic.confidence(features[held], probabilities[held])
    return confidence


def _confidences(probabilities: Matrix) -> Matrix:
    """(n, k) to (n, 2): log-odds of the top probability, and its margin over the second."""
    top_two = np.partition(probabilities, -2, axis=1)[:, -2:]
    top = np.clip(top_two[:, 1], SMALLEST, 1.0 - SMALLEST)
    return np.stack((np.log(top / (1.0 - top)), top_two[:, 1] - top_two[:, 0]), axis=1)


def _moments(numbers: Matrix) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each column over the values that are there; 0 and 1 where none is."""
    there = ~np.isnan(numbers)
    counts = np.maximum(there.sum(axis=0), 1)
    means = np.where(there, numbers, 0.0).sum(axis=0) / counts
    scales = np.sqrt((np.where(there, numbers - means, 0.0) ** 2).sum(axis=0) / counts)
    return tuple(means.tolist()), tuple(np.where(scales > 0.0, scales, 1.0).tolist())


def _design(inputs: _Inputs, features: Matrix, probabilities: Matrix, answer_rows: int) -> csr_matrix:
    """Confidences, answers one-hot, inputs, and the inputs once more per answer where each has weights of its own."""
    n, k = probabilities.shape
    answers = probabilities.argmax(axis=1)
    numbers = inputs.numbers(features)
    categories = inputs.positions(features)
    number_columns = np.broadcast_to(inputs.first_number + np.arange(numbers.shape[1]), numbers.shape)
    shared = 2 + k + np.concatenate((categories, number_columns), axis=1)
    values = np.concatenate((np.ones(categories.shape), numbers), axis=1)
    columns = [np.broadcast_to([0, 1], (n, 2)), 2 + answers[:, None], shared]
    entries = [_confidences(probabilities), np.ones((n, 1)), values]
    if answer_rows > 1:
        columns.append(shared + inputs.width * (1 + answers[:, None]))
        entries.append(values)
    blocks = 1 + (answer_rows if answer_rows > 1 else 0)
    # Never dense: a column of thousands of categories would take gigabytes.
    each = sum(block.shape[1] for block in columns)
    design = csr_matrix(
        (np.concatenate(entries, axis=1).ravel(), np.concatenate(columns, axis=1).ravel(), np.arange(n + 1) * each),
        shape=(n, 2 + k + inputs.width * blocks),
    )
    design.eliminate_zeros()
    return design


def _refused(what: str) -> ModelRefused:
    return ModelRefused(f"the critic was refused: {what}", where="model artefact", fix="retrain, or roll back")
