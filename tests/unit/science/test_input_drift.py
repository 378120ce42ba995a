"""Laws of the drift of inputs: nothing moved is nothing, what moved is found, and how it is told does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissonance.science.input_drift import column_drift, input_drift

numbers = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=3, max_size=60).map(np.array)
codes = st.lists(st.integers(0, 3).map(float) | st.just(float("nan")), min_size=3, max_size=60).map(np.array)


@given(numbers, numbers)
@settings(max_examples=50)
def test_divergence_of_a_number_is_bounded_and_nothing_if_none_moved(reference: np.ndarray, new: np.ndarray) -> None:  # type: ignore[type-arg]
    assert 0.0 <= column_drift(reference, new, 0) <= np.log(2.0)
    assert column_drift(reference, np.random.default_rng(0).permutation(reference), 0) == pytest.approx(0.0, abs=1e-12)


@given(codes, codes)
@settings(max_examples=50)
def test_divergence_of_a_category_is_symmetric(reference: np.ndarray, new: np.ndarray) -> None:  # type: ignore[type-arg]
    assert column_drift(reference, new, 4) == pytest.approx(column_drift(new, reference, 4), abs=1e-12)


def test_values_that_went_missing_are_drift() -> None:
    there = np.arange(100.0)
    assert column_drift(there, np.where(there < 50, np.nan, there), 0) > 0.2
    assert column_drift(np.zeros(9), np.full(9, np.nan), 2) == pytest.approx(np.log(2.0))


def test_column_that_moved_is_the_farthest_and_rows_are_told_apart() -> None:
    generator = np.random.default_rng(1)
    reference = np.column_stack((generator.normal(size=600), generator.normal(size=600), generator.integers(0, 3, 600)))
    moved = reference.copy()
    moved[:, 1] += 3.0
    same = input_drift(reference[:300], reference[300:], category_sizes=(0, 0, 3), seed=0)
    apart = input_drift(reference, moved, category_sizes=(0, 0, 3), seed=0)
    assert max(same.columns) < 0.05 and abs(same.auc - 0.5) < 0.15
    assert int(np.argmax(apart.columns)) == 1 and apart.auc > 0.9


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        input_drift(np.zeros((2, 1)), np.zeros((9, 1)), category_sizes=(0,), seed=0)
