"""Laws of asking: the budget on average, a chance for everybody, and estimates that the choice does not bend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.arrays import Vector
from dissonance.science.sampling import LEAST_INTEREST, Propensities, chosen_only, interest, propensities

CONFIDENCES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60).map(np.array)
SHARES = st.floats(0.0, 1.0)


def drawn(confidences: Vector, budget: float, share: float) -> Propensities:
    interests = interest(confidences)
    mean = float(interests.mean())
    return propensities(
        interests, budget=budget, expected_inputs=len(interests), mean_interest=mean, random_share=share
    )


@given(CONFIDENCES)
def test_interest_is_highest_where_the_answer_is_a_coin_flip_and_never_nothing(confidences: Vector) -> None:
    interests = interest(confidences)
    assert ((interests >= LEAST_INTEREST) & (interests <= 1.0)).all()
    order = np.argsort(np.abs(confidences - 0.5))
    assert (np.diff(interests[order]) <= 1e-12).all()


@given(CONFIDENCES, st.floats(0.01, 100.0), SHARES)
def test_every_input_has_a_chance_and_the_random_check_the_same_one_for_all(
    confidences: Vector, budget: float, share: float
) -> None:
    asked = drawn(confidences, budget, share)
    assert ((asked.asked > 0.0) & (asked.asked <= 1.0)).all()
    assert len(set(asked.random.tolist())) == 1
    assert (asked.asked >= asked.random - 1e-12).all()


@given(CONFIDENCES, SHARES)
def test_both_draws_together_spend_the_budget_and_no_more(confidences: Vector, share: float) -> None:
    budget = len(confidences) / 50  # so small that nobody is certain to be asked
    asked = drawn(confidences, budget, share)
    assert asked.random.sum() == pytest.approx(share * budget)
    assert asked.random.sum() + chosen_only(asked).sum() == pytest.approx(budget)
    assert asked.asked.sum() <= budget + 1e-9


@given(CONFIDENCES, st.floats(0.01, 100.0), SHARES)
def test_both_draws_together_are_the_propensity(confidences: Vector, budget: float, share: float) -> None:
    asked = drawn(confidences, budget, share)
    again = 1.0 - (1.0 - asked.random) * (1.0 - chosen_only(asked))
    np.testing.assert_allclose(again, asked.asked, atol=1e-12)


def test_labels_weighed_by_their_propensity_tell_the_true_accuracy() -> None:
    """Horvitz and Thompson: unbiased although unsure answers, which are more often wrong, are asked about more."""
    generator = np.random.default_rng(7)
    confidences = generator.beta(6, 2, 3_000)
    right = generator.random(3_000) < confidences
    asked = drawn(confidences, 300.0, 0.2).asked
    weighed, plain = [], []
    for _ in range(400):
        chosen = generator.random(3_000) < asked
        weighed.append(float((right[chosen] / asked[chosen]).sum() / 3_000))
        plain.append(float(right[chosen].mean()))
    assert np.mean(weighed) == pytest.approx(right.mean(), abs=0.005)
    assert np.mean(plain) < right.mean() - 0.03, "unweighed they would have told another"
