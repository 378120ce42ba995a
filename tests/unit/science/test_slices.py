"""Expected errors are moved to what was seen; conditions say where a missing value belongs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissonance.science.slices import Condition, inside_all, shifted


def test_a_missing_number_is_where_the_condition_says() -> None:
    features = np.array([[1.0], [3.0], [np.nan]])
    above = Condition(0, 2.0, False, True)
    assert above.inside(features).tolist() == [False, True, False]
    assert above._replace(holds=False).inside(features).tolist() == [True, False, False]
    assert above._replace(missing=True).inside(features).tolist() == [False, True, True]
    assert inside_all((above, above._replace(bound=5.0)), features).tolist() == [False, False, False]
    assert inside_all((), features).all()


@settings(max_examples=50)
@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=40), st.integers(0, 1000))
def test_shifted_errors_have_the_mean_that_was_seen_and_keep_their_order(expected: list[float], seed: int) -> None:
    e = np.array(expected)
    wrong = (np.random.default_rng(seed).random(len(e)) < 0.5).astype(np.float64)
    moved = shifted(e, wrong, np.ones(len(e)))
    assert moved.mean() == pytest.approx((wrong.sum() + 0.5) / (len(e) + 1.0), abs=1e-6)
    assert (np.diff(moved[np.argsort(e)]) >= -1e-12).all()
