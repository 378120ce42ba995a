"""The test for harm: its level holds at every size, harmless shift does not move it, harm does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from dissonance.errors import InputError
from dissonance.science.arrays import Vector
from dissonance.science.harm import NULLS_KEPT, Nulls, harm_test, source_beliefs

TRIALS = 1500


def beliefs(rows: int, seed: int) -> Vector:
    """What a critic believes on source rows: mostly sure, some doubt."""
    return np.random.default_rng(seed).beta(6.0, 1.5, size=rows)


@pytest.mark.parametrize("rows", [100, 300, 1000, 2000])
def test_false_alarms_without_margin_are_at_their_level_at_every_size(rows: int) -> None:
    alarms = 0
    for trial in range(TRIALS // 25):
        null = source_beliefs(beliefs(600, trial), seed=trial, draws=400).null(rows)
        windows = (beliefs(rows, 10_000 + trial * 25 + number) for number in range(25))
        alarms += sum(harm_test(null, window, margin=0.0).p_value <= 0.05 for window in windows)
    # 25 windows share a reference, so they are worth fewer: the band is that of a tenth of them.
    low, high = binom.interval(0.99, TRIALS // 10, 0.05)
    assert low / (TRIALS // 10) <= alarms / TRIALS <= high / (TRIALS // 10)


def test_windows_worse_by_five_points_are_found_at_300_rows() -> None:
    null = source_beliefs(beliefs(2000, 1), seed=1).null(300)
    found = [harm_test(null, beliefs(300, 100 + trial) - 0.05, margin=0.01).p_value <= 0.05 for trial in range(200)]
    assert np.mean(found) >= 0.95


def test_a_drop_within_the_margin_is_no_harm() -> None:
    null = source_beliefs(beliefs(2000, 1), seed=1).null(2000)
    alarms = [harm_test(null, beliefs(2000, 100 + trial) - 0.008, margin=0.01).p_value <= 0.05 for trial in range(200)]
    assert np.mean(alarms) <= 0.05


@given(st.integers(20, 200), st.floats(0.0, 0.2), st.integers(0, 1000))
def test_p_value_falls_with_the_drop_and_rises_with_the_margin(rows: int, margin: float, seed: int) -> None:
    null = source_beliefs(beliefs(300, seed), seed=seed, draws=200).null(rows)
    window = beliefs(rows, seed + 1)
    usual = harm_test(null, window, margin=margin)
    assert 0.0 < usual.p_value <= 1.0
    assert harm_test(null, window - 0.1, margin=margin).p_value <= usual.p_value
    assert harm_test(null, window, margin=margin + 0.1).p_value >= usual.p_value


@given(st.floats(0.01, 0.5))
def test_drops_beyond_the_critical_value_are_rarer_than_the_level(level: float) -> None:
    null = source_beliefs(beliefs(300, 1), seed=1, draws=500).null(100)
    assert (null.drops > null.critical(level)).mean() <= level


def test_the_same_seed_gives_the_same_null() -> None:
    first, second = (source_beliefs(beliefs(100, 1), seed=3).null(50).drops for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_window_of_another_size_than_the_null_is_refused() -> None:
    null = source_beliefs(beliefs(100, 1), seed=3).null(50)
    with pytest.raises(InputError, match="51 rows"):
        harm_test(null, beliefs(51, 2), margin=0.0)


def test_nulls_of_sizes_that_came_before_are_kept_but_only_the_latest_sizes() -> None:
    source = source_beliefs(beliefs(100, 1), seed=3, draws=50)
    sizes = range(30, 30 + NULLS_KEPT)
    nulls = Nulls(source)
    for rows in sizes:
        nulls = nulls.of(rows)
    assert nulls.of(30).latest[0] is nulls.latest[-1]
    assert {null.rows for null in nulls.of(1000).latest} == {1000, *sizes} - {30}
    np.testing.assert_array_equal(nulls.of(30).latest[0].drops, source.null(30).drops)
