"""Labels to look at again: both models must be confidently against, one alone is not enough."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.second_look import suspected

SURE, UNSURE = np.array([[0.98, 0.02]]), np.array([[0.7, 0.3]])
AGAINST = np.array([1])


def test_one_confident_model_alone_suspects_no_label() -> None:
    assert suspected(SURE, SURE, AGAINST, 0.95).all()
    assert not suspected(SURE, UNSURE, AGAINST, 0.95).any()
    assert not suspected(UNSURE, SURE, AGAINST, 0.95).any()


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_who_asks_for_more_confidence_suspects_no_more_labels(p: float, q: float, one: float, other: float) -> None:
    less, more = sorted((one, other))
    rows = np.array([[1.0 - p, p]]), np.array([[1.0 - q, q]])
    assert suspected(*rows, AGAINST, less)[0] >= suspected(*rows, AGAINST, more)[0]


def test_with_one_label_in_ten_turned_most_of_the_suspected_are_the_turned_ones() -> None:
    generator = np.random.default_rng(4)
    yes = generator.beta(0.4, 0.4, 5_000)
    p = np.stack((1.0 - yes, yes), axis=1)
    classes = (generator.random(5_000) < yes).astype(np.int64)
    turned = generator.random(5_000) < 0.1
    found = suspected(p, p, np.where(turned, 1 - classes, classes), 0.95)
    assert turned[found].mean() > 0.8
    assert found[turned].mean() > 0.3
