"""Measures of answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.metrics import (
    accuracy,
    brier_score,
    expected_calibration_error,
    log_loss,
    wilson_interval,
)

P = np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])
CLASSES = np.array([0, 0, 1])


def test_known_values() -> None:
    assert accuracy(P, CLASSES) == pytest.approx(1 / 3)
    assert log_loss(P, CLASSES) == pytest.approx(-(np.log(0.8) + np.log(0.4) + np.log(0.5)) / 3)
    assert brier_score(P, CLASSES) == pytest.approx((0.08 + 0.72 + 0.5) / 3)


def test_log_loss_of_an_impossible_class_is_finite() -> None:
    assert np.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))


def test_calibration_error_is_zero_when_confidence_is_what_happens() -> None:
    confidence, right = np.full(10, 0.7), np.array([1.0] * 7 + [0.0] * 3)
    assert expected_calibration_error(confidence, right) == pytest.approx(0.0)
    assert expected_calibration_error(confidence, np.zeros(10)) == pytest.approx(0.7)


def test_calibration_error_does_not_cancel_between_bins() -> None:
    assert expected_calibration_error(np.array([0.1, 0.9]), np.array([1.0, 0.0])) == pytest.approx(0.9)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_interval_holds_the_share_and_stays_in_0_to_1(one: int, other: int) -> None:
    successes, n = min(one, other), max(one, other)
    low, high = wilson_interval(successes, n)
    assert 0.0 <= low <= high <= 1.0
    if n:
        assert low - 1e-12 <= successes / n <= high + 1e-12


@given(st.integers(1, 200))
def test_wilson_interval_narrows_with_more_trials(n: int) -> None:
    few, many = wilson_interval(n, 2 * n), wilson_interval(10 * n, 20 * n)
    assert many.high - many.low < few.high - few.low


def test_wilson_interval_covers_as_often_as_it_says() -> None:
    successes = np.random.default_rng(5).binomial(80, 0.85, size=2000)
    covered = [low <= 0.85 <= high for low, high in (wilson_interval(int(each), 80) for each in successes)]
    assert 0.93 <= np.mean(covered) <= 0.975
