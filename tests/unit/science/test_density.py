"""The density ratio: equal where nothing moved, right where what moved is known, off where nothing is shared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dissonance.science.arrays import Vector
from dissonance.science.density import (
    CLIP,
    LEAST_EFFECTIVE,
    area_under_curve,
    density_ratio,
    effective_share,
    tempered,
)

finite = st.floats(-20.0, 20.0)


def normal(rows: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 3)) + np.array([shift, 0.0, 0.0])


def test_two_samples_of_the_same_rows_cannot_be_told_apart() -> None:
    ratio = density_ratio(normal(900, 0.0, 1), normal(700, 0.0, 2), category_sizes=(0, 0, 0), seed=1)
    assert ratio.auc == pytest.approx(0.5, abs=0.05)
    assert ratio.power == 1.0
    assert ratio.overlaps


def test_weighted_reference_moves_to_the_mean_of_the_window() -> None:
    reference, window = normal(4000, 0.0, 1), normal(3000, 0.5, 2)
    ratio = density_ratio(reference, window, category_sizes=(0, 0, 0), seed=1)
    # Trees are held back (learning rate, penalty), so ratios err on the side of one.
    assert 0.3 < np.average(reference[:, 0], weights=ratio.weights) < 0.55
    assert np.average(reference[:, 1], weights=ratio.weights) == pytest.approx(0.0, abs=0.1)


def test_weights_are_switched_off_when_a_column_separates_the_two() -> None:
    ratio = density_ratio(normal(500, 0.0, 1), normal(500, 40.0, 2), category_sizes=(0, 0, 0), seed=1)
    assert not ratio.overlaps
    assert ratio.auc > 0.995
    np.testing.assert_array_equal(ratio.weights, 1.0)


def test_category_that_became_frequent_weighs_more_missing_values_included() -> None:
    generator = np.random.default_rng(3)
    reference = generator.choice([0.0, 1.0, np.nan], p=[0.8, 0.1, 0.1], size=(3000, 1))
    window = generator.choice([0.0, 1.0, np.nan], p=[0.2, 0.4, 0.4], size=(3000, 1))
    ratio = density_ratio(reference, window, category_sizes=(2,), seed=1)
    often, missing = ratio.weights[reference[:, 0] == 1.0].mean(), ratio.weights[np.isnan(reference[:, 0])].mean()
    assert min(often, missing) > 5.0 * ratio.weights[reference[:, 0] == 0.0].mean()


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = (
        density_ratio(normal(300, 0.0, 1), normal(200, 1.0, 2), category_sizes=(0, 0, 0), seed=7) for _ in range(2)
    )
    np.testing.assert_array_equal(first.weights, second.weights)


@given(arrays(np.float64, st.integers(2, 60), elements=finite))
def test_weights_have_mean_one_and_enough_of_them_count(log_ratios: Vector) -> None:
    weights, power = tempered(log_ratios)
    assert weights.mean() == pytest.approx(1.0)
    assert 0.0 <= power <= 1.0
    assert effective_share(weights) >= LEAST_EFFECTIVE - 1e-6
    assert weights.max() / weights.min() <= CLIP**2 * (1.0 + 1e-9)


@given(arrays(np.float64, st.integers(2, 60), elements=finite))
def test_weights_keep_the_order_of_the_ratios(log_ratios: Vector) -> None:
    weights, _ = tempered(log_ratios)
    order = np.argsort(log_ratios, kind="stable")
    assert (np.diff(weights[order]) >= -1e-9).all()


@given(st.integers(2, 40), st.integers(0, 10_000))
def test_area_under_the_curve_is_the_share_of_ordered_pairs(rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 5, size=rows).astype(float)
    positive = np.arange(rows) % 2 == 0
    high, low = scores[positive][:, None], scores[~positive][None, :]
    expected = (high > low).mean() + 0.5 * (high == low).mean()
    assert area_under_curve(scores, positive.astype(float)) == pytest.approx(expected)
