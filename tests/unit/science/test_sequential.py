"""An interval that may be looked at after every row: it misses the truth in few whole histories, not in few rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.sequential import paired_sequence

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


def test_of_a_thousand_histories_without_a_difference_at_most_one_in_twenty_is_ever_called_one() -> None:
    """Looked at after every one of 1,500 rows; 3 of 10 rows tell the models apart, evenly."""
    generator = np.random.default_rng(3)
    steps = generator.choice([1, -1, 0], p=[0.15, 0.15, 0.7], size=(1_000, 1_500))
    gained, lost = np.cumsum(steps == 1, axis=1), np.cumsum(steps == -1, axis=1)
    looked_at = range(20, 1_500, 10)
    called = 0
    for history in range(1_000):
        intervals = (paired_sequence(int(gained[history, n]), int(lost[history, n]), n + 1) for n in looked_at)
        called += any(interval.low > 0.0 or interval.high < 0.0 for interval in intervals)
    assert called <= 50


def test_a_model_that_is_truly_worse_is_found_out() -> None:
    generator = np.random.default_rng(4)
    steps = generator.choice([1, -1, 0], p=[0.02, 0.22, 0.76], size=400)
    interval = paired_sequence(int((steps == 1).sum()), int((steps == -1).sum()), 400)
    assert interval.high < 0.0
