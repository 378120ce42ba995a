"""Laws of the move: nowhere at step 0, all the way at 1, KL within its bound, and a penalty that only shortens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dissonance.science.arrays import Matrix
from dissonance.science.mixing import Calibration, calibrated, fit_calibration, mixed
from dissonance.science.step import (
    GRID,
    Doubted,
    HeldOut,
    largest_step,
    mean_kl,
    penalised_step,
    penalty_gain,
    row_losses,
)

CLASSES = 3
ROWS = 12


def distributions(rows: int = ROWS) -> st.SearchStrategy[Matrix]:
    weights = arrays(np.float64, (rows, CLASSES), elements=st.floats(0.01, 1.0))
    return weights.map(lambda each: each / each.sum(axis=1, keepdims=True))


CALIBRATIONS = st.builds(
    lambda scale, a, b: Calibration(scale, (a, b, -a - b)), st.floats(0.3, 2.0), st.floats(-1, 1), st.floats(-1, 1)
)


@given(distributions(), distributions(), CALIBRATIONS, st.floats(0.0, 1.0))
def test_a_mixture_is_a_distribution_and_its_ends_are_the_two_models(
    old: Matrix, new: Matrix, calibration: Calibration, step: float
) -> None:
    p = mixed(old, new, step, calibration)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (p >= 0.0).all()
    np.testing.assert_allclose(mixed(old, new, 0.0, calibration), old, atol=1e-9)
    np.testing.assert_allclose(mixed(old, new, 1.0, calibration), calibrated(new, calibration), atol=1e-9)


@given(distributions(), distributions(), CALIBRATIONS)
def test_divergence_from_the_incumbent_never_falls_on_the_way(
    old: Matrix, new: Matrix, calibration: Calibration
) -> None:
    way = [mean_kl(old, new, step, calibration) for step in np.linspace(0.0, 1.0, 11)]
    assert way[0] == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(way) >= -1e-9).all()


@given(distributions(), distributions(), CALIBRATIONS, st.floats(1e-4, 0.5))
def test_largest_step_keeps_the_bound_and_uses_it_up(
    old: Matrix, new: Matrix, calibration: Calibration, kl_eps: float
) -> None:
    step = largest_step(old, new, calibration, kl_eps)
    assert 0.0 <= step <= 1.0
    assert mean_kl(old, new, step, calibration) <= kl_eps + 1e-12
    if step < 1.0:
        assert mean_kl(old, new, step, calibration) == pytest.approx(kl_eps, rel=1e-3, abs=1e-6)


@given(distributions(), distributions(), st.floats(0.0, 1.0), st.floats(0.0, 0.5))
def test_a_penalty_never_goes_further_than_no_penalty(old: Matrix, new: Matrix, weight: float, target: float) -> None:
    none = Calibration.none(CLASSES)
    held = HeldOut(old, new, np.arange(ROWS) % CLASSES)
    doubted = Doubted(np.linspace(0.0, 0.8, GRID), np.linspace(0.1, 0.9, GRID))
    free = penalised_step(held, doubted, none, weight=0.0, d_target=target)
    step = penalised_step(held, doubted, none, weight=weight, d_target=target)
    assert free == doubted.steps[-1]
    assert step <= free
    assert step in doubted.steps


def test_a_penalty_that_stops_an_update_on_noise_gains_and_one_that_stops_a_good_one_loses() -> None:
    generator = np.random.default_rng(1)
    none = Calibration.none(2)
    truth = generator.integers(0, 2, 400)
    even = np.full((400, 2), 0.5)
    right = np.where(truth[:, None] == np.arange(2), 0.9, 0.1)
    doubted = Doubted(np.linspace(0.0, 1.0, GRID), np.linspace(0.0, 1.0, GRID))
    spoilt = penalty_gain(HeldOut(right, even, truth), doubted, none, weight=1.0, d_target=0.0)
    good = penalty_gain(HeldOut(even, right, truth), doubted, none, weight=0.1, d_target=0.0)
    assert spoilt is not None and good is not None
    assert spoilt.gain > 3 * spoilt.error > 0.0 or spoilt.gain > 0.1
    assert good.gain <= 0.0


def test_too_few_rows_measure_no_gain() -> None:
    held = HeldOut(np.full((2, 2), 0.5), np.full((2, 2), 0.5), np.array([0, 1]))
    doubted = Doubted(np.linspace(0.0, 1.0, GRID), np.zeros(GRID))
    assert penalty_gain(held, doubted, Calibration.none(2), weight=1.0, d_target=0.0) is None


@given(distributions(200), st.integers(0, 2**32 - 1))
def test_calibration_never_raises_the_loss_on_the_rows_it_was_fitted_on(p: Matrix, seed: int) -> None:
    assume(p.std() > 1e-3)
    classes = np.random.default_rng(seed).integers(0, CLASSES, len(p))
    fitted = fit_calibration(p, classes)
    held = HeldOut(p, p, classes)
    after = row_losses(held, 1.0, fitted).mean()
    before = row_losses(held, 1.0, Calibration.none(CLASSES)).mean()
    assert after <= before + 1e-6
    assert sum(fitted.offsets) == pytest.approx(0.0, abs=1e-9)
