"""A slice in which labels changed is found; where nothing changed, an alarm comes as seldom as the level says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dissonance.errors import InputError
from dissonance.science.changed_slices import find_changed_slice, find_wide_slice
from dissonance.science.slices import ChangedSlice, Checked
from support.distributions import CATEGORY_SIZES, labelled_rows

Find = Callable[..., Any]
BOTH = pytest.mark.parametrize("find", [find_changed_slice, find_wide_slice])


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


def found_in(
    rows: Checked, seed: int = 1, level: float = 0.05, draws: int = 99, find: Find = find_changed_slice
) -> ChangedSlice | None:
    found: ChangedSlice | None = find(rows, category_sizes=CATEGORY_SIZES, level=level, seed=seed, draws=draws)
    return found


@pytest.mark.parametrize(
    ("find", "where", "precision"),
    [
        (find_changed_slice, "category", 0.95),
        (find_changed_slice, "corner", 0.8),
        (find_wide_slice, "category", 0.95),
        (find_wide_slice, "corner", 0.7),
    ],
)
def test_a_changed_slice_is_found_as_it_is(find: Find, where: str, precision: float) -> None:
    precisions = []
    for seed in range(4):
        rows, inside = checked(400, seed, where=where)
        found = found_in(rows, draws=39, find=find)
        assert found is not None
        said = found.inside(rows.features)
        assert found.rows == said.sum()
        assert 0.3 < found.excess < 0.7
        assert found.p_value <= 0.05
        precisions.append((said & inside).sum() / said.sum())
    assert np.mean(precisions) > precision


@BOTH
def test_alarms_come_as_seldom_as_the_level_says_where_nothing_changed(find: Find) -> None:
    alarms = sum(found_in(checked(200, seed)[0], seed, 0.1, 19, find) is not None for seed in range(60))
    assert alarms <= 13  # binomial (60, 0.1) is above it with probability 0.002


@BOTH
def test_an_error_that_is_larger_everywhere_is_no_slice(find: Find) -> None:
    alarms = 0
    for seed in range(20):
        rows, _ = checked(300, seed)
        worse = np.random.default_rng(seed + 100).random(300) < np.minimum(1.0, 2.5 * rows.expected)
        alarms += found_in(rows._replace(wrong=worse.astype(np.float64)), draws=39, find=find) is not None
    assert alarms <= 5


@BOTH
def test_a_slice_is_found_among_labels_that_were_seldom_asked_for_in_it(find: Find) -> None:
    rows, inside = checked(600, 3, where="category")
    asked = np.where(inside, 0.2, 1.0)
    kept = np.random.default_rng(1).random(600) < asked
    found = found_in(rows._replace(propensities=asked).at(kept), find=find)
    assert found is not None
    assert (found.inside(rows.features) & inside).sum() / found.inside(rows.features).sum() > 0.85


@BOTH
def test_few_labels_and_rows_that_are_all_alike_find_nothing(find: Find) -> None:
    rows, _ = checked(15, 1, where="category")
    assert found_in(rows, find=find) is None
    alike = Checked(np.zeros((100, 3)), np.ones(100), np.full(100, 0.1))
    assert found_in(alike, find=find) is None


def test_a_change_is_found_where_errors_that_were_expected_hide_it() -> None:
    """Twelve of sixty sure answers are wrong, less than of the unsure ones everywhere else."""
    draw = np.random.default_rng(1)
    features = draw.random((400, 3))
    sure = (features[:, 0] > 0.7) | (draw.random(400) < 0.2)
    inside = features[:, 0] > 0.85
    expected = np.where(sure, 0.02, 0.4)
    wrong = draw.random(400) < np.where(inside, 0.2, expected)
    found = find_changed_slice(
        Checked(features, wrong.astype(np.float64), expected), category_sizes=(0, 0, 0), level=0.05, seed=1, draws=39
    )
    assert found is not None
    assert (found.inside(features) & inside).sum() / found.inside(features).sum() > 0.9


@BOTH
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_level_that_is_none_is_refused(level: float, find: Find) -> None:
    with pytest.raises(InputError, match="level"):
        found_in(checked(100, 1)[0], level=level, find=find)
