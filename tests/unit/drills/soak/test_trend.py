"""Whether memory is flat: growth by rows, not bent by what takes memory for a moment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.drills.soak.trend import PER_ROWS, trend

ROWS = [float(rows) for rows in range(5_000, 1_000_001, 5_000)]


def test_what_stays_the_same_does_not_grow() -> None:
    flat = trend(ROWS, [240.0] * len(ROWS))

    assert flat is not None
    assert (flat.slope, flat.low, flat.high, flat.growth) == (0.0, 0.0, 0.0, 0.0)


def test_a_leak_is_told_per_hundred_thousand_rows_and_as_a_share_of_the_last_half() -> None:
    leak = trend(ROWS, [200.0 + 10.0 * rows / PER_ROWS for rows in ROWS])

    assert leak is not None
    assert leak.slope == pytest.approx(10.0)
    assert leak.growth == pytest.approx(50.0 / 275.0, rel=0.02)


def test_caches_that_fill_in_the_beginning_are_no_growth() -> None:
    filled = trend(ROWS, [100.0 + min(rows, 200_000.0) / 10_000.0 for rows in ROWS])

    assert filled is not None
    assert filled.slope == pytest.approx(0.0, abs=1e-9)
    assert filled.growth == pytest.approx(0.0, abs=1e-9)


def test_a_training_that_takes_memory_for_a_moment_does_not_bend_the_slope() -> None:
    values = [240.0] * len(ROWS)
    values[-12:-8] = [900.0] * 4

    bent = trend(ROWS, values)

    assert bent is not None
    assert bent.slope == pytest.approx(0.0, abs=1e-9)
    assert bent.growth == pytest.approx(0.0, abs=1e-9)


def test_interval_of_noise_around_nothing_holds_zero() -> None:
    noise = np.random.default_rng(7).normal(240.0, 3.0, len(ROWS))

    seen = trend(ROWS, noise.tolist())

    assert seen is not None
    assert seen.low < 0.0 < seen.high


@pytest.mark.parametrize("samples", [0, 1, 5])
def test_a_run_of_few_samples_has_no_trend(samples: int) -> None:
    assert trend(ROWS[:samples], [1.0] * samples) is None


def test_a_stream_that_stands_still_has_no_trend() -> None:
    assert trend([10.0] * 20, [1.0] * 20) is None


@given(slope=st.floats(-1e-3, 1e-3), base=st.floats(1e3, 1e6))
def test_a_straight_line_is_found_whatever_its_slope(slope: float, base: float) -> None:
    found = trend(ROWS, [base + slope * rows for rows in ROWS])

    assert found is not None
    assert found.slope == pytest.approx(slope * PER_ROWS, abs=1e-6 * base)
    assert found.low <= found.slope <= found.high
