"""When all is well again, from answers and lag."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.drills.faults.measure import (
    STEP_S,
    WELL_FOR_S,
    Answers,
    LagSample,
    Latencies,
    allowed_lag,
    answered_well_from_s,
    drained_from_s,
    latencies,
    tolerated_s,
)


def answers(failed: tuple[float, float] = (0.0, 0.0), slow: tuple[float, float] = (0.0, 0.0)) -> Answers:
    """Ten seconds of a hundred a second, 10 ms each; those due in `failed` fail, in `slow` take a second."""
    due_s = np.arange(1_000) / 100.0
    latency_s = np.where((due_s >= slow[0]) & (due_s < slow[1]), 1.0, 0.01)
    return Answers(due_s, latency_s, ~((due_s >= failed[0]) & (due_s < failed[1])))


def test_nothing_wrong_is_well_at_once() -> None:
    assert answered_well_from_s(answers(), 3.0, 10.0, 0.1) == 3.0


def test_failures_are_over_when_the_last_one_is_past() -> None:
    found = answered_well_from_s(answers(failed=(3.0, 4.6)), 3.0, 10.0, 0.1)

    assert found == 4.75


def test_slow_answers_are_not_well() -> None:
    found = answered_well_from_s(answers(slow=(3.0, 5.0)), 3.0, 10.0, 0.1)

    # One in a hundred may be slow: that is what a p99 is.
    assert found == 5.0


def test_short_rest_between_two_failures_is_not_recovery() -> None:
    both = answers(failed=(3.0, 3.5))
    both.ok[450] = False

    assert answered_well_from_s(both, 3.0, 10.0, 0.1) == pytest.approx(4.75)


def test_too_little_was_seen_since() -> None:
    assert answered_well_from_s(answers(failed=(3.0, 9.0)), 3.0, 10.0, 0.1) is None


@given(end=st.floats(1.0, 6.0), start=st.floats(0.0, 1.0))
def test_recovery_is_never_before_the_last_failure(start: float, end: float) -> None:
    found = answered_well_from_s(answers(failed=(start, end)), start, 10.0, 0.1)

    assert found is not None
    assert end - 0.01 <= found <= end + STEP_S
    assert found + WELL_FOR_S <= 10.0


def test_latencies_are_those_of_success() -> None:
    some = answers(failed=(0.0, 9.99))

    assert latencies(some) == Latencies(0.01, 0.01)
    assert np.isnan(latencies(some.between(0.0, 5.0)).p50_s)


def test_what_was_slow_before_may_be_slow_after() -> None:
    assert tolerated_s(Latencies(0.2, 0.5)) == 1.0
    assert tolerated_s(Latencies(float("nan"), float("nan"))) == 0.1


def samples(*waiting: int) -> list[LagSample]:
    return [LagSample(float(second), {"gate": count}) for second, count in enumerate(waiting)]


@pytest.mark.parametrize(
    ("waiting", "since_s"),
    [
        ((0, 0, 0), 0.5),  # never above
        ((0, 9, 2), 2.0),
        ((0, 9, 2, 9), None),
        ((0, 9, 2, 9, 3, 0), 4.0),
        ((0,), None),  # not seen since
    ],
)
def test_lag_is_drained_from_the_first_sample_after_which_it_stays_low(
    waiting: tuple[int, ...], since_s: float | None
) -> None:
    assert drained_from_s(samples(*waiting), 0.5, {"gate": 3.0}) == since_s


def test_consumer_that_was_not_there_before_may_have_nothing_waiting() -> None:
    assert drained_from_s([LagSample(1.0, {"new": 1})], 0.5, {"gate": 3.0}) is None


def test_allowed_lag_is_the_most_that_was_seen_and_a_second_of_requests() -> None:
    assert allowed_lag(samples(1, 7, 2, 90), 2.5, 100.0) == {"gate": 107.0}
