"""Intervals of proportions: known values, their laws, and that they hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from dissonance.errors import InputError
from dissonance.science.proportions import paired_difference, wilson_interval


def test_wilson_interval_is_the_published_one_for_known_counts() -> None:
    # Newcombe (1998), table I, score without correction
    assert wilson_interval(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148)[1:] == pytest.approx((0.0624, 0.1605), abs=5e-5)


@given(some.integers(1, 5000).flatmap(lambda n: some.tuples(some.integers(0, n), some.just(n))))
def test_wilson_interval_holds_its_estimate_and_stays_a_proportion(counts: tuple[int, int]) -> None:
    estimate, low, high = wilson_interval(*counts)
    assert 0.0 <= low <= estimate <= high <= 1.0
    assert low < high


@given(some.integers(1, 200))
def test_wilson_interval_narrows_with_more_trials(n: int) -> None:
    few, many = wilson_interval(n, 2 * n), wilson_interval(10 * n, 20 * n)
    assert many.high - many.low < few.high - few.low


def test_wilson_interval_covers_as_often_as_it_says() -> None:
    successes = np.random.default_rng(5).binomial(80, 0.85, size=2000)
    covered = [low <= 0.85 <= high for _, low, high in (wilson_interval(int(each), 80) for each in successes)]
    assert 0.93 <= np.mean(covered) <= 0.975


@given(some.integers(0, 500), some.integers(0, 500), some.integers(0, 1000))
def test_paired_difference_changes_its_sign_when_gains_and_losses_are_exchanged(
    gained: int, lost: int, same: int
) -> None:
    n = gained + lost + same + 1
    there, back = paired_difference(gained, lost, n), paired_difference(lost, gained, n)
    assert there.estimate == -back.estimate
    assert there.low == pytest.approx(-back.high)
    assert -1.0 <= there.low <= there.estimate <= there.high <= 1.0


def test_paired_difference_covers_the_truth_as_often_as_it_promises() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        gained, lost, _ = random.multinomial(400, (0.12, 0.05, 0.83))
        interval = paired_difference(int(gained), int(lost), 400)
        covered += interval.low <= 0.07 <= interval.high
    assert 0.935 <= covered / 2000 <= 0.97


@pytest.mark.parametrize("counts", [(-1, 5), (6, 5), (0, 0)])
def test_counts_that_contradict_each_other_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(InputError):
        wilson_interval(*counts)
    with pytest.raises(InputError):
        paired_difference(counts[0], 3, counts[1])
