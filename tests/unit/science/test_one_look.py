"""One look at the end: it believes the counts as far as they go, and lets a worse model through about as seldom as
it says."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.science.one_look import score_above

COUNTS = st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(1, 300))
MARGINS = st.floats(0.0, 0.9)


@given(COUNTS, MARGINS)
def test_a_row_more_in_favour_never_makes_it_less_sure(counts: tuple[int, int, int], margin: float) -> None:
    gained, lost, same = counts
    n = gained + lost + same
    assert score_above(gained + 1, lost, n, margin) >= score_above(gained, lost, n, margin) - 1e-9
    assert score_above(gained, lost + 1, n, margin) <= score_above(gained, lost, n, margin) + 1e-9


@given(COUNTS)
def test_without_a_margin_it_is_mcnemars_test(counts: tuple[int, int, int]) -> None:
    gained, lost, same = counts
    expected = (gained - lost) / np.sqrt(gained + lost) if gained + lost else 0.0
    assert score_above(gained, lost, gained + lost + same, 0.0) == pytest.approx(expected, abs=1e-9)


def test_nothing_is_worse_by_a_whole_margin_of_one() -> None:
    assert score_above(0, 0, 10, 1.0) == inf


@pytest.mark.parametrize("agree", [0.984, 0.95, 0.8])
@pytest.mark.parametrize("n", [50, 200])
def test_a_model_worse_by_the_margin_passes_about_as_seldom_as_one_in_forty(agree: float, n: int) -> None:
    """Exact: every outcome of n rows with its probability."""
    margin, disagree = 0.015, 1.0 - agree
    wins, loses = (disagree - margin) / 2.0, (disagree + margin) / 2.0
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    passed = sum(
        np.exp(
            logs[n]
            - logs[gained]
            - logs[lost]
            - logs[n - gained - lost]
            + gained * np.log(wins)
            + lost * np.log(loses)
            + (n - gained - lost) * np.log(agree)
        )
        for gained in range(n + 1)
        for lost in range(n + 1 - gained)
        if score_above(gained, lost, n, margin) >= 1.96
    )
    assert passed <= 0.035
