"""Critics of version 1, which earlier releases fitted and stored: an unweighted logistic model of "the proposer is
right". They load and doubt as they did; new ones are fitted by `sceptic` (ADR 36).

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
from scipy.special import expit

from dissonance.errors import ModelRefused
from dissonance.science.arrays import Matrix, Vector
from dissonance.science.dissonance import critic_distribution

SMALLEST = 1e-6
"""Probabilities are cut to [SMALLEST, 1 − SMALLEST] before their log-odds are taken."""

Integers = NDArray[np.int64]


class LogisticCriticModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class LogisticCritic:
    """A fitted critic; pure, and may be shared between threads."""

    def __init__(self, model: LogisticCriticModel) -> None:
        self.model = model
        self._inputs = _Inputs(model.category_sizes, model.means, model.scales)
        self._intercepts = np.array(model.intercepts)
        self._confidence_weights = np.array(model.confidence_weights)
        self._input_weights = np.array(model.input_weights).reshape(-1, self._inputs.width)
        self._number_weights = self._input_weights[:, self._inputs.first_number :]

    @classmethod
    def from_json(cls, data: bytes) -> LogisticCritic:
        """Raises `ModelRefused` when the bytes are no critic of version 1."""
        try:
            model = msgspec.json.decode(data, type=LogisticCriticModel)
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

    def distribution(self, features: Matrix, p: Matrix) -> Matrix:
        """q: (n, k), rows sum to 1: c on the answer, the rest as p shares it. `features`: (n, d), NaN = missing."""
        return critic_distribution(p, self.confidence(features, p))

    def confidence(self, features: Matrix, p: Matrix) -> Vector:
        """c: (n,), in (0, 1): the probability that the proposer's answer is right. As `distribution`."""
        answers = p.argmax(axis=1)
        # One row of weights serves every answer where there is only one.
        row = answers if len(self._input_weights) > 1 else np.zeros_like(answers)
        positions = self._inputs.positions(features) + (row * self._inputs.width)[:, None]
        score = self._intercepts[answers] + _confidences(p) @ self._confidence_weights
        score += self._input_weights.ravel()[positions].sum(axis=1)
        score += (self._inputs.numbers(features) * self._number_weights[row]).sum(axis=1)
        return np.asarray(expit(score))


def _confidences(p: Matrix) -> Matrix:
    """(n, k) to (n, 2): log-odds of the top probability, and its margin over the second."""
    top_two = np.partition(p, -2, axis=1)[:, -2:]
    top = np.clip(top_two[:, 1], SMALLEST, 1.0 - SMALLEST)
    return np.stack((np.log(top / (1.0 - top)), top_two[:, 1] - top_two[:, 0]), axis=1)


def _refused(what: str) -> ModelRefused:
    return ModelRefused(f"the critic was refused: {what}", where="model artefact", fix="retrain, or roll back")
