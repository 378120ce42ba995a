"""An interval that may be looked at after every row: it misses the truth in few whole histories, not in few rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.betting import log_wealth, paired_sequence, surely_above

COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500)).filter(lambda each: sum(each) > 0)


@given(COUNTS)
def test_interval_holds_its_estimate_and_lies_within_minus_one_and_one(counts: tuple[int, int, int]) -> None:
    gained, lost, same = counts
    interval = paired_sequence(gained, lost, sum(counts))
    assert -1.0 <= interval.low <= interval.estimate <= interval.high <= 1.0
    assert interval.estimate == (gained - lost) / sum(counts)
    assert same >= 0


@given(COUNTS)
def test_exchanging_the_models_turns_the_interval_round(counts: tuple[int, int, int]) -> None:
    gained, lost, _ = counts
    there, back = paired_sequence(gained, lost, sum(counts)), paired_sequence(lost, gained, sum(counts))
    np.testing.assert_allclose((there.low, there.high), (-back.high, -back.low), atol=1e-12)


@given(COUNTS)
def test_a_stricter_level_is_never_narrower(counts: tuple[int, int, int]) -> None:
    gained, lost, _ = counts
    usual, strict = (paired_sequence(gained, lost, sum(counts), level) for level in (0.05, 0.005))
    assert strict.low <= usual.low
    assert usual.high <= strict.high


@given(COUNTS, st.floats(-0.99, 0.99))
def test_the_answer_for_one_mean_is_that_of_the_interval(counts: tuple[int, int, int], mean: float) -> None:
    gained, lost, _ = counts
    low = paired_sequence(gained, lost, sum(counts)).low
    if abs(mean - low) > 1e-6:
        assert surely_above(gained, lost, sum(counts), mean) == (mean < low)


@given(st.floats(-0.95, 0.95), st.floats(0, 1), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_bet_is_fair_where_the_mean_is_the_one_bet_against(
    mean: float, agree: float, gained: int, lost: int, same: int
) -> None:
    """What is expected of the wealth after one more row is the wealth: it is a martingale (Ville)."""
    wins, loses = (1.0 + mean) / 2.0, (1.0 - mean) / 2.0
    agree *= 1.0 - abs(mean)
    wins, loses = wins - agree / 2.0, loses - agree / 2.0
    n = gained + lost + same
    now = log_wealth(gained, lost, n, mean)
    after = [
        log_wealth(gained + 1, lost, n + 1, mean),
        log_wealth(gained, lost + 1, n + 1, mean),
        log_wealth(gained, lost, n + 1, mean),
    ]
    expected = sum(chance * np.exp(log - now) for chance, log in zip((wins, loses, agree), after, strict=True))
    assert abs(expected - 1.0) < 1e-9


def test_a_mean_of_minus_one_is_refuted_by_a_single_row_that_was_not_lost() -> None:
    assert surely_above(0, 9, 10, -1.0)
    assert not surely_above(0, 10, 10, -1.0)


def test_models_that_differ_where_the_new_one_loses_are_not_called_as_good_too_soon() -> None:
    """Worse by a little more than 0.015, and only ever worse: the asymptotic sequence promoted 4 to 5 % of these."""
    generator = np.random.default_rng(6)
    lost = np.cumsum(generator.random((1_000, 1_000)) < 0.0151, axis=1)
    promoted = sum(
        any(surely_above(0, int(history[n]), n + 1, -0.015) for n in range(49, 1_000, 20)) for history in lost
    )
    assert promoted <= 25


def test_of_a_thousand_histories_without_a_difference_at_most_one_in_twenty_is_ever_called_one() -> None:
    """Looked at after every 50th of 1,500 rows; 3 of 10 rows tell the models apart, evenly."""
    generator = np.random.default_rng(3)
    steps = generator.choice([1, -1, 0], p=[0.15, 0.15, 0.7], size=(1_000, 1_500))
    gained, lost = np.cumsum(steps == 1, axis=1), np.cumsum(steps == -1, axis=1)
    called = sum(
        any(
            surely_above(int(up[n]), int(down[n]), n + 1, 0.0) or surely_above(int(down[n]), int(up[n]), n + 1, 0.0)
            for n in range(20, 1_500, 50)
        )
        for up, down in zip(gained, lost, strict=True)
    )
    assert called <= 50


def test_a_model_that_is_truly_worse_is_found_out() -> None:
    generator = np.random.default_rng(4)
    steps = generator.choice([1, -1, 0], p=[0.02, 0.22, 0.76], size=400)
    interval = paired_sequence(int((steps == 1).sum()), int((steps == -1).sum()), 400)
    assert interval.high < 0.0
