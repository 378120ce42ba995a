"""The explanation of a drop: what was made worse comes first, and all parts add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissonance.science.explanation import Believed, HarmExplanation, explain_harm

SIZES = (0, 3, 0)


def side(rows: int, seed: int, doubted_share: float) -> Believed:
    """Belief is 0.9, but 0.5 where the category is 2, which is so for `doubted_share` of the rows."""
    generator = np.random.default_rng(seed)
    codes = np.where(generator.uniform(size=rows) < doubted_share, 2.0, generator.integers(0, 2, size=rows))
    numbers = generator.normal(size=(rows, 2))
    numbers[generator.uniform(size=rows) < 0.1, 0] = np.nan
    features = np.column_stack((numbers[:, 0], codes, numbers[:, 1]))
    return Believed(features, np.where(codes == 2.0, 0.5, 0.9) + generator.normal(scale=0.02, size=rows))


def explained(seed: int = 1, share: float = 0.6, rows: int = 1200) -> HarmExplanation:
    return explain_harm(side(rows, seed, 0.1), side(rows, seed + 50, share), category_sizes=SIZES, seed=1)


def test_the_feature_and_the_slice_that_carry_the_loss_come_first() -> None:
    found = explained()
    assert found.drop == pytest.approx(0.2, abs=0.02)
    assert found.features[0].column == 1
    assert found.features[0].carried == pytest.approx(found.drop, abs=0.02)
    first = found.slices[0]
    assert (first.column, first.code) == (1, 2)
    assert first.window_share == pytest.approx(0.6, abs=0.05)
    assert first.window_belief == pytest.approx(0.5, abs=0.02)


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
def test_the_slices_of_each_column_add_up_to_the_drop(seed: int, share: float) -> None:
    found = explained(seed, share, rows=100)
    for column in range(3):
        parts = [each.carried for each in found.slices if each.column == column]
        assert sum(parts) == pytest.approx(found.drop, abs=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_the_features_add_up_to_the_drop_but_for_what_the_trees_miss(share: float) -> None:
    found = explained(3, share)
    assert sum(each.carried for each in found.features) == pytest.approx(found.drop, abs=0.02)


def test_shares_of_a_column_sum_to_one_with_missing_values_of_their_own() -> None:
    found = explained()
    for column in range(3):
        parts = [each for each in found.slices if each.column == column]
        assert sum(each.reference_share for each in parts) == pytest.approx(1.0)
        assert sum(each.window_share for each in parts) == pytest.approx(1.0)
    missing = [each for each in found.slices if each.column == 0 and each.low is None]
    assert [round(each.reference_share, 1) for each in missing] == [0.1]


def test_a_column_that_the_reference_never_had_is_explained_too() -> None:
    reference, window = side(300, 1, 0.1), side(200, 2, 0.1)
    reference.features[:, 0] = np.nan
    found = explain_harm(reference, window, category_sizes=SIZES, seed=1)
    assert sum(each.carried for each in found.slices if each.column == 0) == pytest.approx(found.drop, abs=1e-9)
