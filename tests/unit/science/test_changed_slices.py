"""A slice in which labels changed is found; where nothing changed, an alarm comes as seldom as the level says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissonance.errors import InputError
from dissonance.science.changed_slices import Checked, find_changed_slice, shifted
from support.distributions import CATEGORY_SIZES, labelled_rows


def checked(n: int, seed: int, *, where: str = "", excess: float = 0.5) -> tuple[Checked, np.ndarray]:
    """Errors as expected, but for a slice: one category, or one corner of two numbers."""
    draw = np.random.default_rng(seed)
    features, _ = labelled_rows(n, seed)
    expected = 0.05 + 0.3 * draw.random(n)
    inside = np.zeros(n, dtype=bool)
    if where == "category":
        inside = features[:, 2] == 2.0
    elif where == "corner":
        inside = (features[:, 0] > 0.2) & (features[:, 1] <= 0.0)
    wrong = draw.random(n) < expected + excess * inside
    return Checked(features, wrong.astype(np.float64), expected), inside


def found_in(rows: Checked, seed: int = 1, level: float = 0.05, draws: int = 99):  # type: ignore[no-untyped-def]
    return find_changed_slice(rows, category_sizes=CATEGORY_SIZES, level=level, seed=seed, draws=draws)


@pytest.mark.parametrize(("where", "precision"), [("category", 0.95), ("corner", 0.8)])
def test_a_changed_slice_is_found_as_it_is(where: str, precision: float) -> None:
    precisions = []
    for seed in range(4):
        rows, inside = checked(400, seed, where=where)
        found = found_in(rows, draws=39)
        assert found is not None
        said = found.inside(rows.features)
        assert found.rows == said.sum()
        assert 0.3 < found.excess < 0.7
        assert found.p_value <= 0.05
        precisions.append((said & inside).sum() / said.sum())
    assert np.mean(precisions) > precision


def test_alarms_come_as_seldom_as_the_level_says_where_nothing_changed() -> None:
    alarms = sum(found_in(checked(200, seed)[0], seed, level=0.1, draws=19) is not None for seed in range(60))
    assert alarms <= 13  # binomial (60, 0.1) is above it with probability 0.002


def test_an_error_that_is_larger_everywhere_is_no_slice() -> None:
    alarms = 0
    for seed in range(20):
        rows, _ = checked(300, seed)
        worse = np.random.default_rng(seed + 100).random(300) < np.minimum(1.0, 2.5 * rows.expected)
        alarms += found_in(rows._replace(wrong=worse.astype(np.float64)), draws=39) is not None
    assert alarms <= 5


def test_a_label_that_was_seldom_asked_for_counts_for_more() -> None:
    rows, inside = checked(600, 3, where="category")
    asked = np.where(inside, 0.2, 1.0)
    kept = np.random.default_rng(1).random(600) < asked
    found = found_in(rows._replace(propensities=asked).at(kept))
    assert found is not None
    assert (found.inside(rows.features) & inside).sum() / found.inside(rows.features).sum() > 0.85


def test_few_labels_and_rows_that_are_all_alike_find_nothing() -> None:
    rows, _ = checked(15, 1, where="category")
    assert found_in(rows) is None
    alike = Checked(np.zeros((100, 3)), np.ones(100), np.full(100, 0.1))
    assert found_in(alike) is None


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    with pytest.raises(InputError, match="level"):
        found_in(checked(100, 1)[0], level=level)


@settings(max_examples=50)
@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=40), st.integers(0, 1000))
def test_shifted_errors_have_the_mean_that_was_seen_and_keep_their_order(expected: list[float], seed: int) -> None:
    e = np.array(expected)
    wrong = (np.random.default_rng(seed).random(len(e)) < 0.5).astype(np.float64)
    moved = shifted(e, wrong, np.ones(len(e)))
    assert moved.mean() == pytest.approx((wrong.sum() + 0.5) / (len(e) + 1.0), abs=1e-6)
    assert (np.diff(moved[np.argsort(e)]) >= -1e-12).all()
