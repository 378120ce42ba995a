"""Both models on the same rows."""

from __future__ import annotations

import numpy as np

from dissonance.drills.demo.compare import TrueWindow, compare, true_windows
from dissonance.drills.demo.story import Span

TIMES = np.arange(8, dtype=np.int64)
FROZEN = np.array([0, 0, 1, 1, 1, 1, 1, 0], dtype=bool)
MANAGED = np.array([1, 1, 1, 0, 1, 1, 1, 0], dtype=bool)


def test_each_period_gets_its_own_shares_and_the_gain_on_the_same_rows() -> None:
    early, late = compare({"early": Span(0, 4), "late": Span(4, 8)}, TIMES, FROZEN, MANAGED)
    assert (early.name, early.rows, late.name, late.rows) == ("early", 4, "late", 4)
    assert (early.frozen.estimate, early.managed.estimate, early.gain.estimate) == (0.5, 0.75, 0.25)
    assert (late.frozen.estimate, late.managed.estimate, late.gain.estimate) == (0.75, 0.75, 0.0)


def test_a_period_in_which_nobody_asked_has_no_line() -> None:
    assert [each.name for each in compare({"early": Span(0, 4), "never": Span(90, 99)}, TIMES, FROZEN, MANAGED)] == [
        "early"
    ]


def test_true_windows_hold_every_row_once_and_lie_where_the_evaluator_puts_them() -> None:
    assert true_windows(3, TIMES, FROZEN, MANAGED) == [
        TrueWindow(0, 3, 1 / 3, 1.0),
        TrueWindow(3, 3, 1.0, 2 / 3),
        TrueWindow(6, 2, 0.5, 0.5),
    ]
