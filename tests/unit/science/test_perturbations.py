"""Disturbed inputs: what moves, what stays, and how many answers turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.perturbations import Noise, disturbed, spreads, turned
from support.distributions import CATEGORY_SIZES, labelled_rows

FEATURES, CLASSES = labelled_rows(400, 3)
WHOLE = (False, False, False)


def moved(spread: float, forgotten: float, seed: int, whole: tuple[bool, ...] = WHOLE) -> np.ndarray:
    return disturbed(FEATURES, CATEGORY_SIZES, whole, Noise(spread, forgotten), np.random.default_rng(seed))


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(0, 100))
def test_missing_stays_missing_and_a_category_is_itself_or_missing(spread: float, forgotten: float, seed: int) -> None:
    after = moved(spread, forgotten, seed)
    assert np.isnan(after[np.isnan(FEATURES)]).all()
    assert not np.isnan(after[:, 0]).any()
    kept = ~np.isnan(after[:, 2])
    np.testing.assert_array_equal(after[kept, 2], FEATURES[kept, 2])


@given(st.integers(0, 100))
def test_the_same_seed_moves_alike_and_no_noise_moves_nothing(seed: int) -> None:
    np.testing.assert_array_equal(moved(0.1, 0.1, seed), moved(0.1, 0.1, seed))
    np.testing.assert_array_equal(moved(0.0, 0.0, seed), FEATURES)


def test_numbers_move_by_their_spread_and_categories_are_forgotten_by_their_share() -> None:
    after = moved(0.5, 0.25, 1)
    assert (after[:, 0] - FEATURES[:, 0]).std() == pytest.approx(0.5 * spreads(FEATURES, CATEGORY_SIZES)[0], rel=0.15)
    assert np.isnan(after[:, 2]).mean() == pytest.approx(0.25, abs=0.06)


def test_a_whole_number_stays_whole() -> None:
    after = moved(0.5, 0.0, 1, (True, False, False))
    np.testing.assert_array_equal(after[:, 0], np.rint(after[:, 0]))


def test_spread_is_of_the_middle_half_so_that_no_outlier_moves_it_and_one_value_has_none() -> None:
    column = np.append(np.arange(100.0), 1e9)
    features = np.column_stack((column, np.append(np.zeros(90), np.arange(11.0)), np.full(101, np.nan)))
    found = spreads(features, (0, 0, 0))
    assert found[0] == pytest.approx(50 / 1.349, rel=0.02)
    assert found[1:].tolist() == [0.0, 0.0]


def test_a_model_that_looks_at_one_threshold_turns_where_a_row_crosses_it() -> None:
    def above_zero(rows: np.ndarray) -> np.ndarray:
        yes = (rows[:, 0] > 0).astype(float)
        return np.column_stack((1 - yes, yes))

    features, classes = np.array([[1.0], [-1.0]]), np.array([1, 1])
    found = turned(above_zero, features, classes, [np.array([[1.0], [2.0]]), np.array([[-2.0], [-1.0]])])
    assert found.flips.tolist() == [0.5, 0.5]
    assert found.drop.tolist() == [0.5, -0.5]
