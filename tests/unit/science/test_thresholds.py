"""Limits from what is usual."""

from __future__ import annotations

import numpy as np
import pytest

from dissonance.science.thresholds import Caps, Thresholds, reference_thresholds

CAPS = Caps(0.12, 0.5, 0.4)
USUAL = np.random.default_rng(1).beta(1, 20, size=5000)


def thresholds(dissonances: np.ndarray, seed: int = 1, rows: int = 500) -> Thresholds:
    return reference_thresholds(dissonances, dissonances / 2, window_rows=rows, caps=CAPS, seed=seed)


def test_about_one_usual_window_in_twenty_is_over_target() -> None:
    target = thresholds(USUAL).target
    generator = np.random.default_rng(9)
    means = [generator.choice(USUAL, 500).mean() for _ in range(2000)]
    assert np.mean(np.array(means) > target) == pytest.approx(0.05, abs=0.02)


def test_about_one_usual_row_in_a_thousand_is_over_the_maximum() -> None:
    limits = thresholds(USUAL)
    assert np.mean(limits.maximum < USUAL) == pytest.approx(0.001, abs=0.0005)
    assert np.mean(limits.doubt < USUAL / 2) == pytest.approx(0.001, abs=0.0005)


def test_smaller_windows_get_a_wider_target() -> None:
    assert thresholds(USUAL, rows=50).target > thresholds(USUAL, rows=5000).target > USUAL.mean()


def test_caps_hold_where_dissonance_is_high_from_the_start() -> None:
    assert thresholds(np.full(100, 0.9)) == Thresholds(0.12, 0.5, 0.4)


def test_the_same_seed_gives_the_same_limits() -> None:
    assert thresholds(USUAL, seed=4) == thresholds(USUAL, seed=4)
