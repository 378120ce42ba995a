"""The alarm over a sequence: e-values are e-values, and false alarms keep to their budget however long one looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from dissonance.errors import InputError
from dissonance.science.alarm import accumulated, alarm_threshold, e_value


def test_mean_of_the_e_value_under_the_null_is_at_most_one() -> None:
    # The integrand has its mass near 0: on a logarithmic scale it is smooth.
    mean, _ = quad(lambda u: e_value(np.exp(-u)) * np.exp(-u), 1e-9, 60.0, limit=500)
    assert mean <= 1.0 + 1e-6
    # ∫∫ κ p^(κ−1) dκ dp = 1; what is missing lies below e^−60, in the mixture's heavy tail.
    assert mean == pytest.approx(1.0 - 1.0 / 60.0, abs=1e-3)


@given(st.floats(1e-12, 1.0), st.floats(1e-12, 1.0))
def test_smaller_p_values_are_more_evidence(one: float, other: float) -> None:
    assert (e_value(one) - e_value(other)) * (one - other) <= 1e-9


@given(st.floats(0.0, 1e6), st.floats(1e-9, 1.0))
def test_evidence_never_falls_below_that_of_a_new_start(evidence: float, p_value: float) -> None:
    assert accumulated(evidence, p_value) >= e_value(p_value)


def test_false_alarms_stay_within_the_budget_of_a_month() -> None:
    generator = np.random.default_rng(5)
    windows, months, budget = 300, 60, 2.0
    threshold = alarm_threshold(windows, budget)
    alarms, evidence = 0, 0.0
    for p_value in generator.uniform(size=windows * months):
        evidence = accumulated(evidence, float(p_value))
        if evidence >= threshold:
            alarms, evidence = alarms + 1, 0.0
    assert alarms / months <= budget


def test_harm_that_lasts_is_found_within_some_windows() -> None:
    threshold, evidence, windows = alarm_threshold(720, 1), 0.0, 0
    while evidence < threshold:
        evidence, windows = accumulated(evidence, 0.005), windows + 1
    assert windows <= 4


@pytest.mark.parametrize("p_value", [0.0, -0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p_value: float) -> None:
    with pytest.raises(InputError):
        e_value(p_value)


@pytest.mark.parametrize(("windows", "alarms"), [(0, 1), (100, 0), (-1, 1)])
def test_what_is_no_budget_is_refused(windows: float, alarms: float) -> None:
    with pytest.raises(InputError):
        alarm_threshold(windows, alarms)
