"""Tests of shift: loud when inputs move, quiet when they do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from science.estimate import Estimate, Known, Traffic
from science.peers.shift import classifier_two_sample, each_feature
from support.prepared import known_of, rows_of, traffic_of

KNOWN = known_of(rows_of(1_500, 1))
both_tests = pytest.mark.parametrize("tell", [each_feature, classifier_two_sample])
Test = Callable[[Known, Traffic], Estimate]


@both_tests
def test_alarm_when_the_mean_of_inputs_moves(tell: Test) -> None:
    assert tell(KNOWN, traffic_of(rows_of(500, 2, mean=1.0))).alarm is True


@both_tests
def test_few_alarms_when_nothing_moves(tell: Test) -> None:
    alarms = [tell(KNOWN, traffic_of(rows_of(200, seed))).alarm for seed in range(10, 50)]

    assert sum(map(bool, alarms)) <= 6


@pytest.mark.parametrize("value", [2.0, np.nan], ids=["one value", "missing"])
def test_alarm_when_a_category_becomes_one_value(value: float) -> None:
    traffic = traffic_of(rows_of(300, 2))
    traffic.features[:, 2] = value

    assert each_feature(KNOWN, traffic).alarm is True


def test_a_number_that_is_wholly_missing_says_nothing_of_the_others() -> None:
    traffic = traffic_of(rows_of(300, 3))
    traffic.features[:, 1] = np.nan

    assert each_feature(KNOWN, traffic).alarm is False
