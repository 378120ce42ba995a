"""The critic's distribution and the law of dissonance."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from dissonance.science.dissonance import critic_distribution, dissonance
from support.distributions import Matrix, doubted


@given(doubted())
def test_critic_distribution_sums_to_1_and_puts_c_on_the_answer(case: tuple[Matrix, Matrix]) -> None:
    p, c = case
    q = critic_distribution(p, c)
    np.testing.assert_allclose(q.sum(axis=1), 1.0)
    assert ((q >= 0.0) & (q <= 1.0)).all()
    np.testing.assert_array_equal(q[np.arange(len(p)), p.argmax(axis=1)], c)


@given(doubted())
def test_dissonance_is_how_far_the_proposer_misjudges_itself(case: tuple[Matrix, Matrix]) -> None:
    p, c = case
    np.testing.assert_allclose(dissonance(p, critic_distribution(p, c)), np.abs(p.max(axis=1) - c), atol=1e-9)


def test_the_rest_is_shared_as_the_proposer_shares_it() -> None:
    q = critic_distribution(np.array([[0.5, 0.3, 0.2]]), np.array([0.2]))
    np.testing.assert_allclose(q, [[0.2, 0.48, 0.32]])


def test_the_rest_is_shared_evenly_where_the_proposer_is_certain() -> None:
    p = np.array([[0.0, 1.0, 0.0], [0.6, 0.4, 0.0]])
    np.testing.assert_allclose(critic_distribution(p, np.array([0.4, 0.6])), [[0.3, 0.4, 0.3], [0.6, 0.4, 0.0]])


def test_the_first_of_equal_classes_is_the_answer() -> None:
    assert critic_distribution(np.array([[0.5, 0.5]]), np.array([0.9]))[0, 0] == 0.9


def test_the_proposers_distribution_is_left_as_it_was() -> None:
    p = np.array([[0.7, 0.3]])
    critic_distribution(p, np.array([0.1]))
    assert p.tolist() == [[0.7, 0.3]]
