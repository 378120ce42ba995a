"""Whoever grows the trees, the model is the one of this machine: same rows, same number of rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np
import pytest

from dissonance.science.arrays import Classes, Matrix, Vector
from dissonance.science.proposer import fit_lightgbm
from support.distributions import labelled_rows


def grow(
    parameters: Mapping[str, Any],
    features: Matrix,
    classes: Classes,
    weights: Vector | None,
    categories: Sequence[int],
    rounds: int,
) -> lightgbm.Booster:
    """As a cluster would, here."""
    data = lightgbm.Dataset(
        features, classes, weight=weights, categorical_feature=list(categories), params=dict(parameters)
    )
    return lightgbm.train(dict(parameters), data, rounds)


@pytest.mark.parametrize(("classes", "weighted"), [(2, False), (2, True), (3, False)])
def test_rounds_that_are_found_afterwards_are_those_of_early_stopping(classes: int, weighted: bool) -> None:
    features, target = labelled_rows(400, 3, classes)
    shares = np.full((len(target), classes), 0.2 / (classes - 1))
    shares[np.arange(len(target)), target] = 0.8
    how = {
        "category_sizes": (0, 0, 4),
        "classes_count": classes,
        "seed": 1,
        "threads": 1,
        "targets": shares if weighted else None,
    }
    here, there = fit_lightgbm(features, target, **how), fit_lightgbm(features, target, grow=grow, **how)
    assert there.rounds == here.rounds
    assert there.text == here.text
