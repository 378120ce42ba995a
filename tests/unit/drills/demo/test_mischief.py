"""What somebody does to the labels before a bad model learns from them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dissonance.drills.demo.mischief import SPOILT, exchange
from dissonance.pipeline.training import LabelledRows


def rows(n: int, classes: int, seed: int) -> LabelledRows:
    generator = np.random.default_rng(seed)
    return LabelledRows(generator.normal(size=(n, 3)), generator.integers(0, classes, n))


@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_exchanged_labels_are_of_one_half_of_the_inputs_and_stay_classes(classes: int, seed: int) -> None:
    before = rows(400, classes, seed)
    after = exchange(before, classes, seed)
    moved = after.classes != before.classes
    first = before.features[:, 0]
    assert (first[moved] > np.median(first)).all()
    assert set(np.unique(after.classes)) <= set(range(classes))
    assert (after.features == before.features).all()
    assert moved.mean() == SPOILT


def test_the_same_seed_spoils_the_same_labels() -> None:
    before = rows(100, 2, 1)
    assert (exchange(before, 2, 5, 0.2).classes == exchange(before, 2, 5, 0.2).classes).all()
    assert (exchange(before, 2, 5, 0.2).classes != exchange(before, 2, 6, 0.2).classes).any()
