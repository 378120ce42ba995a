"""A case and a seed to arrays: the model that answers, its labelled reference, and pools to draw windows from.

Of the source rows the model learns from half, a quarter is the labelled reference, a quarter the pool of undisturbed
windows. Whole target rows are the pool of shifted windows. Nothing that is estimated sees a pool's labels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from dissonance.errors import InvalidDataFile
from dissonance.science.arrays import Classes, Matrix, Vector
from dissonance.science.frames import Encoding
from dissonance.science.proposer import LightGBMProposer, fit_lightgbm
from dissonance.science.sceptic import Labelled
from science.case import Case
from science.check import check_sides, checked_frame, checked_share

MOST_TRAIN = 8_000
MOST_REFERENCE = 5_000
MOST_POOL = 10_000
THREADS = 1


class Rows(NamedTuple):
    """`features` (n, d), `p` (n, k) of the model under test, `classes` (n,)."""

    features: Matrix
    p: Matrix
    classes: Classes

    def take(self, rows: np.ndarray) -> Rows:
        return Rows(self.features[rows], self.p[rows], self.classes[rows])

    @property
    def right(self) -> Vector:
        return np.asarray(self.p.argmax(axis=1) == self.classes, dtype=np.float64)

    @property
    def labelled(self) -> Labelled:
        return Labelled(*self)

    def __len__(self) -> int:
        return len(self.classes)


class Prepared(NamedTuple):
    """`train` are rows the model has seen."""

    case: str
    group: str
    family: str
    seed: int
    category_sizes: tuple[int, ...]
    names: tuple[str, ...]
    model: LightGBMProposer
    train: Rows
    reference: Rows
    source: Rows
    target: Rows

    @property
    def classes_count(self) -> int:
        return int(self.reference.p.shape[1])


def prepare(case: Case, seed: int) -> Prepared:
    frame = checked_frame(case)
    # Numbers, not the hash of the name, which differs between processes.
    generator = np.random.default_rng([seed, *case.name.encode()])
    source, target = _sides(case, frame, generator)
    check_sides(case, len(source), len(target))
    labels = pd.Series(pd.Categorical(frame[case.label])).cat.codes.to_numpy(dtype=np.int64)
    inputs = frame.drop(columns=[case.label, *case.without])
    encoding = Encoding.of(inputs.iloc[source])
    features, sizes = encoding.encoded(inputs), encoding.category_sizes
    known = np.unique(labels[source])
    if len(known) < 2:
        raise InvalidDataFile(
            "its source has one class only", where=f"case {case.name}", fix="widen the rule of its source"
        )
    # Classes that the source does not have cannot be answered: their rows are left out.
    position = np.full(labels.max() + 1, -1)
    position[known] = np.arange(len(known))
    labels = position[labels]
    source, target = source[labels[source] >= 0], target[labels[target] >= 0]
    check_sides(case, len(source), len(target))
    generator.shuffle(source)
    generator.shuffle(target)
    half, quarter = len(source) // 2, len(source) // 4
    train = source[:half][:MOST_TRAIN]
    reference = source[half : half + quarter][:MOST_REFERENCE]
    pool = source[half + quarter :][:MOST_POOL]
    model = fit_lightgbm(
        features[train], labels[train], category_sizes=sizes, classes_count=len(known), seed=seed, threads=THREADS
    )

    def rows(index: np.ndarray) -> Rows:
        return Rows(features[index], model.probabilities(features[index]), labels[index])

    return Prepared(
        case.name,
        case.group,
        case.family,
        seed,
        sizes,
        tuple(map(str, inputs.columns)),
        model,
        rows(train),
        rows(reference),
        rows(pool),
        rows(target[:MOST_POOL]),
    )


def _sides(case: Case, frame: pd.DataFrame, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    in_source = generator.random(len(frame)) < checked_share(case, case.source, frame)
    in_target = (generator.random(len(frame)) < checked_share(case, case.target, frame)) & ~in_source
    return np.flatnonzero(in_source), np.flatnonzero(in_target)
