"""A case cut to a size at which many fits are cheap, and the two ways of updating that everybody knows."""

from __future__ import annotations

from typing import NamedTuple

import lightgbm
import numpy as np

from dissonance.science.proposer import PARAMETERS, LightGBMProposer, fit_lightgbm
from dissonance.science.renewal import Believed
from science.prepare import Prepared, Rows

MOST_TRAIN, MOST_TODAY, MOST_LATER = 2_000, 1_000, 3_000
MOST_TRAIN_OF_MANY = 600
"""Of more than two classes: a fit costs ten times as much."""
CONTINUED_ROUNDS = 20


class Setting(NamedTuple):
    """A case cut to size: an incumbent of fewer rows than `Prepared.model` saw, so that fits are cheap."""

    category_sizes: tuple[int, ...]
    classes_count: int
    seed: int
    incumbent: LightGBMProposer
    train: Believed
    reference: Believed
    today: Believed
    later: Believed
    source: Believed


def setting_of(prepared: Prepared) -> Setting:
    k = prepared.classes_count
    most_train = MOST_TRAIN if k == 2 else MOST_TRAIN_OF_MANY
    train = _first(prepared.train, most_train)
    incumbent = fit_lightgbm(
        train.features,
        train.classes,
        category_sizes=prepared.category_sizes,
        classes_count=k,
        seed=prepared.seed,
        threads=1,
    )

    def believed(rows: Rows) -> Believed:
        return Believed(rows.features, rows.classes, incumbent.probabilities(rows.features))

    target, today = prepared.target, min(MOST_TODAY, len(prepared.target) // 2)
    return Setting(
        prepared.category_sizes,
        k,
        prepared.seed,
        incumbent,
        believed(train),
        believed(_first(prepared.reference, most_train // 2)),
        believed(_first(target, today)),
        believed(target.take(np.arange(today, min(today + MOST_LATER, len(target))))),
        believed(_first(prepared.source, MOST_LATER)),
    )


def _first(rows: Rows, most: int) -> Rows:
    return rows.take(np.arange(min(most, len(rows))))


def plain(setting: Setting, fresh: Believed) -> LightGBMProposer:
    every = setting.train.and_then(setting.reference).and_then(fresh)
    return fit_lightgbm(
        every.features,
        every.classes,
        category_sizes=setting.category_sizes,
        classes_count=setting.classes_count,
        seed=setting.seed,
        threads=1,
    )


def continued(setting: Setting, fresh: Believed) -> LightGBMProposer:
    """More trees after the incumbent's, on the rows that it has not seen."""
    rows = setting.reference.and_then(fresh)
    k = setting.classes_count
    objective = {"objective": "binary"} if k == 2 else {"objective": "multiclass", "num_class": k}
    booster = lightgbm.train(
        PARAMETERS | objective | {"seed": setting.seed, "num_threads": 1},
        lightgbm.Dataset(
            rows.features,
            rows.classes,
            categorical_feature=[column for column, size in enumerate(setting.category_sizes) if size],
        ),
        CONTINUED_ROUNDS,
        init_model=lightgbm.Booster(model_str=setting.incumbent.text),
    )
    return LightGBMProposer.from_text(booster.model_to_string(), k)
