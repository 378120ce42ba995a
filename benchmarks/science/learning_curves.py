"""How many labels of the target a model needs until retraining has 80 % of what all labels of a pool would give.

A model of source rows is fitted anew on these and all labels so far at weight 1, after each of the `STEPS`; that model
tells who is asked next. Trees have a fixed number of rounds, so that a curve does not depend on early stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import lightgbm
import numpy as np
from sklearn.isotonic import IsotonicRegression

from dissonance.science.arrays import Classes, Mask, Matrix, Vector
from dissonance.science.metrics import accuracy, log_loss
from dissonance.science.proposer import PARAMETERS
from dissonance.science.sampling import WITHIN, least_sure, propensities, rank_of_least_sure, spending, sureness
from science.peers.active_learning import by_committee, by_margin, is_installed
from science.prepare import Prepared, Rows

STEPS = (40, 80, 140, 250, 400, 640, 1_000, 1_500)
FIXED_STEP = 250
"""Labels at which accuracy and log loss are told as well."""
MOST_TRAIN, MOST_POOL, MOST_TEST = 1_500, 2_000, 2_500
MOST_CLASSES = 2
"""Cases with more cost ten times as much: they are left out of this part."""
LEAST_GAIN = 0.03
"""Accuracy that all labels of the pool give; where it is less, the fifth that is to be left is within the noise of the
test rows, and the case is left out."""
REACHED = 0.8
ROUNDS = 50
RATE = 0.1
MEMBERS = 4
MEMBER_ROUNDS = 25
CHECK = 0.2
"""The policy's `random_check_share`; it is part of the labels that ours need."""


class Pool(NamedTuple):
    prepared: Prepared
    train: Rows
    rows: Rows
    test: Rows

    def fitted(self, labelled: Mask, seed: int) -> lightgbm.Booster:
        """On the source rows and those labelled."""
        return self._boosted(*self._known(labelled), seed, ROUNDS)

    def committee(self, labelled: Mask, generator: np.random.Generator) -> list[lightgbm.Booster]:
        """On these with repetitions (bagging; Breiman 1996)."""
        features, classes = self._known(labelled)
        draws = [generator.integers(len(classes), size=len(classes)) for _ in range(MEMBERS)]
        return [self._boosted(features[rows], classes[rows], self.prepared.seed, MEMBER_ROUNDS) for rows in draws]

    def _known(self, labelled: Mask) -> tuple[Matrix, Classes]:
        features = np.concatenate((self.train.features, self.rows.features[labelled]))
        classes = np.concatenate((self.train.classes, self.rows.classes[labelled]))
        return features, classes

    def _boosted(self, features: Matrix, classes: Classes, seed: int, rounds: int) -> lightgbm.Booster:
        parameters = PARAMETERS | {"objective": "binary", "seed": seed, "num_threads": 1, "learning_rate": RATE}
        categories = [column for column, size in enumerate(self.prepared.category_sizes) if size]
        data = lightgbm.Dataset(features, classes, categorical_feature=categories, params=parameters)
        return lightgbm.train(parameters, data, rounds)


class Asking(NamedTuple):
    """What a method sees before it asks about `more`."""

    pool: Pool
    p: Matrix
    labelled: Mask
    more: int
    generator: np.random.Generator

    @property
    def seed(self) -> int:
        return int(self.generator.integers(2**31))


Method = Callable[[Asking], Classes]


def random(asking: Asking) -> Classes:
    left = np.flatnonzero(~asking.labelled)
    return np.asarray(asking.generator.permutation(left)[: asking.more])


def margin(asking: Asking) -> Classes:
    return by_margin(asking.p, asking.pool.rows.classes, asking.labelled, asking.more, asking.seed)


def committee(asking: Asking) -> Classes:
    members = [answers(each, asking.pool.rows) for each in asking.pool.committee(asking.labelled, asking.generator)]
    return by_committee(members, asking.pool.rows.classes, asking.labelled, asking.more, asking.seed)


def ours(accuracy_share: float, within: float = WITHIN) -> Method:
    """As the learner asks, with the proposer's confidence for the critic's."""

    def method(asking: Asking) -> Classes:
        left = np.flatnonzero(~asking.labelled)
        sure = sureness(asking.p[left].max(axis=1))
        spent = spending(asking.more, random_share=CHECK, accuracy_share=accuracy_share)
        rank = min(len(left), rank_of_least_sure(spent, within))
        at = float(np.sort(sure)[rank - 1]) if rank else 0.0
        chosen = least_sure(spent, len(left), at, int((sure <= at).sum()), within)
        drawn = propensities(sure, spent, len(left), chosen)
        return np.asarray(left[asking.generator.random(len(left)) < drawn.asked])

    return method


METHODS: dict[str, Method] = {
    "random": random,
    **({"margin (scikit-activeml)": margin, "committee (scikit-activeml)": committee} if is_installed() else {}),
    "ours, for accuracy": ours(1.0),
    "ours, half and half": ours(0.5),
    "ours, for log loss": ours(0.0),
    "ours, for accuracy, on a random half": ours(1.0, 0.5),
}


def curves(prepared: Prepared) -> Iterator[dict[str, Any]]:
    """One row a method and metric; nothing where the case is left out."""
    if prepared.classes_count > MOST_CLASSES:
        return
    pool = _pool(prepared)
    none, every = np.zeros(len(pool.rows), dtype=np.bool_), np.ones(len(pool.rows), dtype=np.bool_)
    first = pool.fitted(none, prepared.seed)
    start, full = scores(first, pool), scores(pool.fitted(every, prepared.seed), pool)
    if full["accuracy"] - start["accuracy"] < LEAST_GAIN:
        return
    for name, method in METHODS.items():
        generator = np.random.default_rng([prepared.seed, *prepared.case.encode(), *name.encode()])
        counts, found = _curve(pool, method, answers(first, pool.rows), generator)
        for metric in start:
            values = np.array([each[metric] for each in found])
            needed = labels_needed(counts, values, start[metric], full[metric])
            yield {
                "method": name,
                "metric": metric,
                "gain": full[metric] - start[metric],
                "reached": needed is not None,
                "needed": float(len(pool.rows)) if needed is None else needed,
                "at_fixed_step": float(np.interp(FIXED_STEP, counts, values)),
            }


def scores(model: lightgbm.Booster, pool: Pool) -> dict[str, float]:
    """More is better."""
    p = answers(model, pool.test)
    return {"accuracy": accuracy(p, pool.test.classes), "log loss": -log_loss(p, pool.test.classes)}


def answers(model: lightgbm.Booster, rows: Rows) -> Matrix:
    yes = np.asarray(model.predict(rows.features, num_threads=1))
    return np.stack((1.0 - yes, yes), axis=1)


def labels_needed(counts: Vector, values: Vector, start: float, full: float) -> float | None:
    """Where the curve, made monotone by isotonic regression, has `REACHED` of the way from `start` to `full`."""
    counts, values = np.concatenate(([0.0], counts)), np.concatenate(([start], values))
    risen = IsotonicRegression().fit_transform(counts, values)
    goal = start + REACHED * (full - start)
    over = np.flatnonzero(risen >= goal)
    if not len(over):
        return None
    i = int(over[0])
    if i == 0 or risen[i] == risen[i - 1]:
        return float(max(1.0, counts[i]))
    return float(np.interp(goal, risen[i - 1 : i + 1], counts[i - 1 : i + 1]))


def _pool(prepared: Prepared) -> Pool:
    order = np.random.default_rng([prepared.seed, 1]).permutation(len(prepared.target))
    size = min(MOST_POOL, len(order) // 2)
    return Pool(
        prepared,
        prepared.train.take(np.arange(min(len(prepared.train), MOST_TRAIN))),
        prepared.target.take(order[:size]),
        prepared.target.take(order[size : size + MOST_TEST]),
    )


def _curve(
    pool: Pool, method: Method, p: Matrix, generator: np.random.Generator
) -> tuple[Vector, list[dict[str, float]]]:
    labelled = np.zeros(len(pool.rows), dtype=np.bool_)
    counts, found = [], []
    for step in STEPS:
        more = step - int(labelled.sum())
        if more > (~labelled).sum():
            break
        if more > 0:
            labelled[method(Asking(pool, p, labelled, more, generator))] = True
        model = pool.fitted(labelled, pool.prepared.seed)
        p = answers(model, pool.rows)
        counts.append(float(labelled.sum()))
        found.append(scores(model, pool))
    return np.array(counts), found
