"""Which labels an audit may count: what has not come is never taken for an answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.errors import InputError
from dissonance.science.counted_labels import Asked, Delay, Unasked, arrival_chances, counted

NEVER = np.nan


def asked(rows: list[tuple[float, bool, float, float]]) -> Asked:
    """(propensity, whether asked, drawn at, labelled at) a row."""
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Asked(columns[0], columns[1] > 0.0, columns[2], columns[3])


LABELS = st.lists(
    st.tuples(st.floats(0.01, 1.0), st.booleans(), st.floats(0.0, 100.0), st.floats(0.0, 50.0) | st.none()), max_size=40
).map(
    lambda rows: asked([(a, b, at, NEVER if d is None else at + d) for a, b, at, d in sorted(rows, key=lambda r: r[2])])
)


def test_rows_are_mature_by_their_age_alone() -> None:
    drawn = asked([(0.5, True, 0.0, 1.0), (0.5, False, 5.0, NEVER), (0.5, True, 5.1, 5.2), (0.5, False, 9.0, NEVER)])
    found = counted(drawn, now_s=10.0, maturity_s=5.0)
    assert found.rows.tolist() == [True, True, False, False], "the third has its label, but is too young to count"
    assert found.known.tolist() == [True, False, False, False]
    assert found.in_order


def test_asked_and_never_answered_is_neither_right_nor_wrong() -> None:
    drawn = asked([(0.5, True, 0.0, NEVER), (0.5, True, 0.0, 30.0), (0.5, True, 0.0, 2.0)])
    found = counted(drawn, now_s=10.0, maturity_s=5.0)
    assert found.known.tolist() == [False, False, True]
    assert found.unanswered.tolist() == [True, True, False]


def test_labels_nobody_asked_for_count_only_when_that_is_assumed() -> None:
    drawn = asked([(0.2, True, 0.0, 1.0), (0.2, False, 0.0, 1.0), (0.2, False, 0.0, NEVER)])
    assert counted(drawn, now_s=10.0, maturity_s=5.0).known.tolist() == [True, False, False]
    assumed = counted(drawn, now_s=10.0, maturity_s=5.0, unasked=Unasked.AT_RANDOM)
    assert assumed.known.tolist() == [True, True, False]
    np.testing.assert_allclose(assumed.chances, 1.0 - 0.8 * 0.5)


def test_a_chance_that_was_not_kept_matters_only_where_a_label_counts() -> None:
    drawn = asked([(0.2, True, 0.0, 1.0), (NEVER, False, 0.0, 1.0)])
    found = counted(drawn, now_s=10.0, maturity_s=5.0)
    assert (found.rows.tolist(), found.known.tolist()) == ([True, True], [True, False])
    with pytest.raises(InputError, match="not kept"):
        counted(drawn, now_s=10.0, maturity_s=5.0, unasked=Unasked.AT_RANDOM)


def test_rows_that_may_have_taught_the_model_do_not_audit_it() -> None:
    drawn = asked([(0.5, True, 0.0, 1.0), (0.5, True, 3.0, 4.0)])
    assert counted(drawn, now_s=10.0, maturity_s=5.0, model_fixed_at_s=2.0).rows.tolist() == [False, True]


@given(LABELS, st.floats(0.0, 200.0), st.floats(0.0, 50.0), st.sampled_from(Delay), st.sampled_from(Unasked))
def test_only_labels_that_came_count_and_each_has_a_chance(
    drawn: Asked, now_s: float, maturity_s: float, delay: Delay, unasked: Unasked
) -> None:
    found = counted(drawn, now_s=now_s, maturity_s=maturity_s, delay=delay, unasked=unasked)
    assert not (found.known & ~(drawn.labelled_at_s <= now_s)).any()
    assert not (found.known & ~found.rows).any()
    assert not (found.known & found.unanswered).any()
    assert ((found.chances > 0.0) & (found.chances <= 1.0 + 1e-12))[found.rows].all()
    assert unasked is Unasked.AT_RANDOM or not (found.known & ~drawn.asked).any()


@given(LABELS, st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_a_later_look_at_mature_rows_only_adds_rows(drawn: Asked, now_s: float, later_s: float) -> None:
    first = counted(drawn, now_s=now_s, maturity_s=50.0)
    second = counted(drawn, now_s=now_s + later_s, maturity_s=50.0)
    assert not (first.rows & ~second.rows).any()
    np.testing.assert_array_equal(first.known[first.rows], second.known[first.rows])


def test_chance_to_have_come_is_that_of_the_delays() -> None:
    """Exponential delays with mean 10 s, of which only those that fit into the time so far are seen."""
    generator = np.random.default_rng(3)
    at = np.sort(generator.uniform(0.0, 40.0, 4_000))
    labels = Asked(np.full(4_000, 0.5), generator.random(4_000) < 0.5, at, at + generator.exponential(10.0, 4_000))
    found = arrival_chances(labels, 40.0)
    np.testing.assert_allclose(found, 1.0 - np.exp(-(40.0 - at) / 10.0), atol=0.04)


def test_young_rows_are_left_out_even_when_labels_count_as_they_come() -> None:
    at = np.arange(100.0)
    labels = Asked(np.full(100, 0.5), np.ones(100, dtype=bool), at, at + 20.0)
    found = counted(labels, now_s=100.0, maturity_s=1_000.0, delay=Delay.INDEPENDENT)
    assert found.rows.sum() == 81, "rows of 20 s and older"
    assert not found.in_order
    assert counted(labels, now_s=100.0, maturity_s=1_000.0).rows.sum() == 0


@pytest.mark.parametrize(
    "row",
    [
        (0.0, True, 1.0, 2.0),
        (1.1, True, 1.0, 2.0),
        (NEVER, True, 1.0, 2.0),
        (0.5, True, 1.0, 0.5),
        (0.5, True, NEVER, 2.0),
    ],
)
def test_impossible_labels_are_refused(row: tuple[float, bool, float, float]) -> None:
    with pytest.raises(InputError):
        counted(asked([row]), now_s=10.0, maturity_s=1.0)


def test_rows_out_of_order_or_of_different_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="out of order"):
        counted(asked([(0.5, True, 2.0, 3.0), (0.5, True, 1.0, 3.0)]), now_s=10.0, maturity_s=1.0)
    with pytest.raises(InputError, match="lengths"):
        counted(asked([(0.5, True, 2.0, 3.0)])._replace(propensities=np.ones(2)), now_s=10.0, maturity_s=1.0)
    with pytest.raises(InputError, match="maturity"):
        counted(asked([]), now_s=10.0, maturity_s=-1.0)
