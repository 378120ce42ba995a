"""Laws that hold for every pair of distributions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from dissonance.science.divergences import jensen_shannon, kullback_leibler, total_variation
from support.distributions import Matrix, pairs

ROUNDING = 1e-9


@given(pairs())
def test_total_variation_is_a_distance_between_0_and_1(pair: tuple[Matrix, Matrix]) -> None:
    p, q = pair
    distance = total_variation(p, q)
    assert ((distance >= 0.0) & (distance <= 1.0)).all()
    np.testing.assert_array_equal(distance, total_variation(q, p))
    assert (total_variation(p, p) == 0.0).all()


@given(pairs())
def test_kullback_leibler_is_never_negative_and_zero_for_equals(pair: tuple[Matrix, Matrix]) -> None:
    p, q = pair
    assert (kullback_leibler(p, q) >= 0.0).all()
    assert (kullback_leibler(p, p) == 0.0).all()


@given(pairs())
def test_pinsker_total_variation_is_bounded_by_divergence(pair: tuple[Matrix, Matrix]) -> None:
    p, q = pair
    assert (total_variation(p, q) <= np.sqrt(kullback_leibler(p, q) / 2.0) + ROUNDING).all()


@given(pairs())
def test_jensen_shannon_is_symmetric_finite_and_bounded(pair: tuple[Matrix, Matrix]) -> None:
    p, q = pair
    divergence = jensen_shannon(p, q)
    assert ((divergence >= 0.0) & (divergence <= np.log(2.0))).all()
    np.testing.assert_allclose(divergence, jensen_shannon(q, p), atol=ROUNDING)


@given(pairs())
def test_jensen_shannon_is_bounded_by_total_variation(pair: tuple[Matrix, Matrix]) -> None:
    p, q = pair  # Lin (1991), theorem 3, in nats
    assert (jensen_shannon(p, q) <= np.log(2.0) * total_variation(p, q) + ROUNDING).all()


def test_known_values() -> None:
    p, q = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.9, 0.1], [0.0, 1.0]])
    assert total_variation(p, q).tolist() == pytest.approx([0.4, 1.0])
    assert kullback_leibler(p, q).tolist() == [pytest.approx(0.5108256237), np.inf]
    assert jensen_shannon(p, q).tolist() == pytest.approx([0.1017486, np.log(2.0)], abs=1e-6)
