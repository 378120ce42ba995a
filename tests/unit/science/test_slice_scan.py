"""Evidence of a slice does not depend on the order of rows, grows with surprise, and names slices that have rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dissonance.science.slice_scan import Scan
from dissonance.science.slices import Checked, inside_all
from support.distributions import CATEGORY_SIZES, labelled_rows


def rows_of(n: int, seed: int, error: float = 0.2) -> Checked:
    draw = np.random.default_rng(seed)
    features, _ = labelled_rows(n, seed)
    expected = np.clip(error * 2.0 * draw.random(n), 0.0, 1.0)
    return Checked(features, (draw.random(n) < expected).astype(np.float64), expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(40, 150), st.floats(0.01, 0.6))
def test_evidence_is_the_same_in_any_order_and_names_a_slice_of_enough_rows(seed: int, n: int, error: float) -> None:
    rows = rows_of(n, seed, error)
    other = np.random.default_rng(seed).permutation(n)
    mixed = Checked(rows.features[other], rows.wrong[other], rows.expected[other])
    scan, again = Scan(rows, CATEGORY_SIZES), Scan(mixed, CATEGORY_SIZES)
    assert np.isclose(scan.score(rows.wrong), again.score(mixed.wrong), atol=1e-3)
    named = scan.likeliest(rows.wrong)
    assert 1 <= len(named) == len(set(named)) <= 2
    assert rows.least <= inside_all(named, rows.features).sum() < n


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_probabilities_before_any_label_sum_to_one(seed: int) -> None:
    scan = Scan(rows_of(80, seed), CATEGORY_SIZES)
    assert np.isclose(np.exp(scan.before.astype(np.float64)).sum(), 1.0, atol=1e-5)


def test_a_wrong_answer_that_was_sure_is_more_evidence_than_one_that_was_not() -> None:
    features = np.repeat(np.arange(2.0), 100)[:, None]
    expected = np.tile([0.05, 0.45], 100)
    scan = Scan(Checked(features, np.zeros(200), expected), (2,))
    by_chance = np.random.default_rng(1).random(200) < expected
    sure, unsure = by_chance.copy(), by_chance.copy()
    sure[np.flatnonzero((expected < 0.1) & (features[:, 0] == 1.0) & ~by_chance)[:15]] = True
    unsure[np.flatnonzero((expected > 0.4) & (features[:, 0] == 1.0) & ~by_chance)[:15]] = True
    assert scan.score(sure.astype(np.float64)) > scan.score(unsure.astype(np.float64))


def test_many_columns_are_cut_at_fewer_bounds() -> None:
    draw = np.random.default_rng(1)
    few, many = (Checked(draw.random((200, d)), np.zeros(200), np.full(200, 0.1)) for d in (2, 60))
    assert len(Scan(few, (0,) * 2).conditions) == 2 * 2 * 12
    assert len(Scan(many, (0,) * 60).conditions) == 60 * 2 * 4
