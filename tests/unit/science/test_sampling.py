"""Laws of asking: the budget on average, a chance for everybody, and estimates that the choice does not bend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.arrays import Vector
from dissonance.science.sampling import (
    LEAST_EVEN,
    Propensities,
    chosen_only,
    least_sure,
    propensities,
    rank_of_least_sure,
    spending,
    sureness,
)

CONFIDENCES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60).map(np.array)
SHARES = st.floats(0.0, 1.0)


def drawn(confidences: Vector, budget: float, check: float, accuracy: float) -> Propensities:
    """From a day with just these inputs."""
    sure, n = sureness(confidences), len(confidences)
    spent = spending(budget, random_share=check, accuracy_share=accuracy)
    rank = min(n, max(1, rank_of_least_sure(spent)))
    at = float(np.sort(sure)[rank - 1])
    return propensities(sure, spent, n, least_sure(spent, n, at, int((sure <= at).sum())))


@given(CONFIDENCES)
def test_a_coin_flip_is_least_sure_and_to_be_surely_wrong_is_to_be_sure(confidences: Vector) -> None:
    sure = sureness(confidences)
    assert ((sure >= 0.0) & (sure <= 1.0)).all()
    np.testing.assert_allclose(sure, sureness(1.0 - confidences), atol=1e-12)
    assert (np.diff(sure[np.argsort(np.abs(confidences - 0.5))]) >= -1e-12).all()


@given(st.floats(0.0, 1e6), SHARES, SHARES)
def test_a_budget_is_spent_whole_and_never_without_an_even_part(budget: float, check: float, accuracy: float) -> None:
    spent = spending(budget, random_share=check, accuracy_share=accuracy)
    assert sum(spent) == pytest.approx(budget)
    assert min(spent) >= -1e-9
    assert spent.random + spent.even >= LEAST_EVEN * budget - 1e-6


@given(CONFIDENCES, st.floats(0.01, 100.0), SHARES, SHARES)
def test_every_input_has_a_chance_and_the_random_check_the_same_one_for_all(
    confidences: Vector, budget: float, check: float, accuracy: float
) -> None:
    asked = drawn(confidences, budget, check, accuracy)
    assert ((asked.asked > 0.0) & (asked.asked <= 1.0)).all()
    assert len(set(asked.random.tolist())) == 1
    assert (asked.asked >= asked.random - 1e-12).all()


@given(CONFIDENCES, SHARES, SHARES)
def test_both_draws_together_spend_the_budget_and_no_more(confidences: Vector, check: float, accuracy: float) -> None:
    budget = len(confidences) / 50  # so small that nobody is certain to be asked
    asked = drawn(confidences, budget, check, accuracy)
    assert asked.random.sum() == pytest.approx(check * budget)
    assert asked.random.sum() + chosen_only(asked).sum() == pytest.approx(budget)
    assert asked.asked.sum() <= budget + 1e-9


@given(CONFIDENCES, st.floats(0.01, 100.0), SHARES, SHARES)
def test_both_draws_together_are_the_propensity(
    confidences: Vector, budget: float, check: float, accuracy: float
) -> None:
    asked = drawn(confidences, budget, check, accuracy)
    again = 1.0 - (1.0 - asked.random) * (1.0 - chosen_only(asked))
    np.testing.assert_allclose(again, asked.asked, atol=1e-12)


def test_for_accuracy_the_least_sure_are_asked_about_and_of_the_others_the_random_check() -> None:
    asked = drawn(np.linspace(0.5, 1.0, 1_000), 100.0, 0.2, 1.0).asked
    assert asked[:80] == pytest.approx(1.0)
    assert asked[80:] == pytest.approx(0.02)


def test_on_a_random_half_twice_as_many_are_looked_among_and_half_of_them_asked_about() -> None:
    spent = spending(100.0, random_share=0.2, accuracy_share=1.0)
    assert rank_of_least_sure(spent, within=0.5) == 160
    assert least_sure(spent, 1_000, at=0.1, up_to=160, within=0.5).chance == 0.5


def test_for_log_loss_every_input_is_as_likely_as_the_others() -> None:
    asked = drawn(np.linspace(0.5, 1.0, 1_000), 100.0, 0.2, 0.0).asked
    assert asked == pytest.approx(1.0 - (1.0 - 0.02) * (1.0 - 0.08))


def test_where_all_are_equally_unsure_the_budget_is_kept() -> None:
    asked = drawn(np.full(1_000, 0.7), 100.0, 0.2, 1.0)
    assert asked.random.sum() + chosen_only(asked).sum() == pytest.approx(100.0)


def test_a_budget_larger_than_the_traffic_asks_about_everything() -> None:
    assert drawn(np.linspace(0.5, 1.0, 50), 200.0, 0.2, 1.0).asked == pytest.approx(1.0)


def test_labels_weighed_by_their_propensity_tell_the_true_accuracy() -> None:
    """Horvitz and Thompson: unbiased although unsure answers, which are more often wrong, are asked about more."""
    generator = np.random.default_rng(7)
    confidences = generator.beta(6, 2, 3_000)
    right = generator.random(3_000) < confidences
    asked = drawn(confidences, 300.0, 0.2, 1.0).asked
    weighed, plain = [], []
    for _ in range(400):
        chosen = generator.random(3_000) < asked
        weighed.append(float((right[chosen] / asked[chosen]).sum() / 3_000))
        plain.append(float(right[chosen].mean()))
    assert np.mean(weighed) == pytest.approx(right.mean(), abs=0.005)
    assert np.mean(plain) < right.mean() - 0.03, "unweighed they would have told another"
