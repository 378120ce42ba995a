"""Both wrong where both agree."""

from __future__ import annotations

import numpy as np
import pytest

from dissonance.errors import InputError
from dissonance.science.blind_spot import both_wrong_when_agreed

P = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
Q = np.array([[0.8, 0.2], [0.7, 0.3], [0.3, 0.7], [0.4, 0.6]])


def test_rows_on_which_the_models_differ_do_not_count() -> None:
    assert both_wrong_when_agreed(P, Q, np.array([0, 1, 1, 1])).estimate == pytest.approx(1 / 3)
    assert both_wrong_when_agreed(P, Q, np.array([0, 0, 1, 1])).estimate == 0.0


def test_interval_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(9)
    covered = 0
    for _ in range(500):
        wrong = generator.random(60) < 0.07
        interval = both_wrong_when_agreed(np.tile(P[:1], (60, 1)), np.tile(Q[:1], (60, 1)), wrong.astype(np.int64))
        covered += interval.low <= 0.07 <= interval.high
    assert covered / 500 >= 0.93


def test_models_that_agree_on_nothing_have_no_such_rate() -> None:
    with pytest.raises(InputError):
        both_wrong_when_agreed(P[3:], Q[3:], np.array([0]))
