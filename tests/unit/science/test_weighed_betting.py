"""Labels that were asked for with unequal chances weigh their inverse; the bet against a mean stays fair."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.betting import log_wealth, paired_sequence, surely_above
from dissonance.science.weighed_betting import (
    WeighedPairs,
    effective_counts,
    weighed_log_wealth,
    weighed_sequence,
    weighed_surely_above,
)

COUNTS = st.tuples(st.integers(0, 200), st.integers(0, 200), st.integers(1, 200))
MEANS = st.floats(-0.9, 0.9)
WEIGHTS = st.floats(0.01, 1.0)


def pairs(*groups: tuple[float, int, int, int]) -> WeighedPairs:
    """Of (weight, gained, lost, same)."""
    return WeighedPairs(*np.array(groups, dtype=np.float64).T)


@given(COUNTS, MEANS)
def test_with_one_weight_it_is_the_sequence_without_weights(counts: tuple[int, int, int], mean: float) -> None:
    gained, lost, same = counts
    one = pairs((1.0, gained, lost, same))
    assert weighed_log_wealth(one, mean) == pytest.approx(log_wealth(gained, lost, sum(counts), mean), abs=1e-9)
    assert weighed_surely_above(one, mean) == surely_above(gained, lost, sum(counts), mean)
    np.testing.assert_allclose(weighed_sequence(one), paired_sequence(gained, lost, sum(counts)), atol=1e-6)
    np.testing.assert_allclose(effective_counts(one), (gained, lost, sum(counts)))


@given(COUNTS, COUNTS, WEIGHTS)
def test_interval_holds_its_estimate_and_turns_round_with_the_models(
    one: tuple[int, int, int], other: tuple[int, int, int], weight: float
) -> None:
    found = pairs((1.0, *one), (weight, *other))
    interval, back = weighed_sequence(found), weighed_sequence(found.mirrored)
    assert -1.0 <= interval.low <= interval.estimate <= interval.high <= 1.0
    np.testing.assert_allclose((interval.low, interval.high), (-back.high, -back.low), atol=1e-12)


@given(MEANS, st.floats(0.05, 1.0), st.floats(0.05, 0.95), st.floats(0.0, 1.0), COUNTS)
def test_the_bet_is_fair_where_the_mean_of_all_inputs_is_the_one_bet_against(
    mean: float, weight: float, often: float, spread: float, before: tuple[int, int, int]
) -> None:
    """`often`: share of the labels that weigh `weight`, of which the others' mean is made up for."""
    there = mean + spread * (1.0 - abs(mean)) * 0.5
    elsewhere = (mean * ((1.0 - often) + often * weight) - often * weight * there) / (1.0 - often)
    if not -1.0 <= elsewhere <= 1.0:
        return
    now, expected = pairs((1.0, *before), (weight, 0, 0, 0)), 0.0
    for share, place, group in ((1.0 - often, 0, elsewhere), (often, 1, there)):
        for chance, column in (((1.0 + group) / 2.0, "gained"), ((1.0 - group) / 2.0, "lost")):
            counts = getattr(now, column).copy()
            counts[place] += 1
            expected += share * chance * np.exp(weighed_log_wealth(now._replace(**{column: counts}), mean))
    assert log(expected) == pytest.approx(weighed_log_wealth(now, mean), abs=1e-9)


def test_what_was_asked_about_often_cannot_outvote_what_stands_for_many_inputs() -> None:
    counted_alike = pairs((1.0, 20, 30, 150), (1.0, 90, 10, 100))
    weighed = pairs((1.0, 20, 30, 150), (0.01, 90, 10, 100))
    assert weighed_surely_above(counted_alike, 0.0)
    assert not weighed_surely_above(weighed, 0.0)
    assert weighed.mean == pytest.approx((20 - 30 + 0.8) / 202)
    assert effective_counts(weighed)[2] == pytest.approx(202**2 / 200.02)
