"""A window audited by the labels that were asked for, each at its chance."""

from __future__ import annotations

import numpy as np
import pytest

from dissonance.contracts.policy import LabelDelay, Policy
from dissonance.contracts.window_api import AuditReply
from dissonance.ports.labels import DrawnRows
from dissonance.roles.evaluator.audits import audited

DAY_S = 86_400
DAY_US = DAY_S * 1_000_000
POLICY = Policy(label_maturity_s=DAY_S)
LATER_US = 3 * DAY_US


def traffic(
    rows: int = 2_000, seed: int = 1, *, waiting: bool = False, unasked: bool = False, delay_us: int = 60_000_000
) -> tuple[DrawnRows, float, float]:
    """A row a second. The unsure half is right in 60 % and asked about ten times as often as the sure half, which is
    right in 95 %. `waiting`: labels of wrong answers that were believed wait for a second look; `unasked`: wrong
    answers get a label that nobody asked for. With the accuracy, and the share of wrong answers among the believed."""
    generator = np.random.default_rng(seed)
    sure = generator.random(rows) < 0.5
    confidences = np.where(sure, 0.9, np.where(generator.random(rows) < 0.5, 0.6, 0.4))
    right = generator.random(rows) < np.where(sure, 0.95, 0.6)
    chances = np.where(sure, 0.05, 0.5)
    asked = generator.random(rows) < chances
    at_us = np.arange(rows) * 1_000_000
    known = asked & ~(waiting & sure & ~right) | (unasked & ~right)
    drawn = DrawnRows(
        event_times_us=at_us.tolist(),
        confidences=confidences.tolist(),
        propensities=[float(chance) if was else None for chance, was in zip(chances, asked, strict=True)],
        labelled_at_us=[int(at) + delay_us if is_known else None for at, is_known in zip(at_us, known, strict=True)],
        right=[bool(is_right) if is_known else None for is_right, is_known in zip(right, known, strict=True)],
    )
    return drawn, float(right.mean()), float(1.0 - right[confidences >= 0.5].mean())


def told(drawn: DrawnRows, policy: Policy = POLICY, now_us: int = LATER_US) -> AuditReply:
    found = audited(drawn, policy, now_us)
    assert found is not None
    return found


def test_asking_mostly_about_the_unsure_does_not_make_the_model_look_worse() -> None:
    found = [told(traffic(seed=seed)[0]) for seed in range(20)]
    of_labels = [np.mean([right for right in traffic(seed=seed)[0].right if right is not None]) for seed in range(20)]
    assert np.mean([each.accuracy for each in found]) == pytest.approx(0.775, abs=0.01)
    assert np.mean(of_labels) < 0.65
    held = [each.interval[0] <= traffic(seed=seed)[1] <= each.interval[1] for seed, each in enumerate(found)]
    assert np.mean(held) >= 0.9


def test_both_wrong_is_the_share_of_wrong_answers_that_the_critic_believes() -> None:
    found = [(told(traffic(seed=seed)[0]), traffic(seed=seed)[2]) for seed in range(20)]
    rates = [each.both_wrong_rate for each, _ in found if each.both_wrong_rate is not None]
    assert np.mean(rates) == pytest.approx(np.mean([truth for _, truth in found]), abs=0.02)
    for each, truth in found:
        assert each.both_wrong_interval is not None
        assert each.both_wrong_interval[0] - 0.03 <= truth <= each.both_wrong_interval[1] + 0.03


def test_labels_that_wait_for_a_second_look_widen_the_interval_instead_of_hiding_errors() -> None:
    whole, waiting = told(traffic()[0]), told(traffic(waiting=True)[0])
    assert (whole.unanswered, waiting.unanswered > 0) == (0, True)
    assert waiting.accuracy >= whole.accuracy
    assert waiting.interval[0] < traffic()[1] < waiting.interval[1]
    assert np.ptp(waiting.interval) > np.ptp(whole.interval)


def test_labels_that_nobody_asked_for_stay_out() -> None:
    assert told(traffic(unasked=True)[0]) == told(traffic()[0])


def test_the_sequence_for_any_number_of_looks_is_the_wider_interval() -> None:
    found = told(traffic()[0])
    assert found.interval_at_any_time is not None
    assert found.interval_at_any_time[0] < found.interval[0] < found.interval[1] < found.interval_at_any_time[1]


def test_a_label_dated_before_its_input_counts_from_its_input_on() -> None:
    assert told(traffic(delay_us=-5_000_000)[0]) == told(traffic()[0])


def test_nothing_is_said_while_no_label_counts() -> None:
    assert audited(traffic()[0], POLICY, now_us=DAY_US // 2) is None
    assert audited(DrawnRows([], [], [], [], []), POLICY, LATER_US) is None
    assert audited(DrawnRows([1, 2], [0.5, 0.9], [None, 0.1], [None, None], [None, None]), POLICY, LATER_US) is None


def test_labels_that_come_independently_are_not_waited_for() -> None:
    found = told(traffic()[0], Policy(label_delay=LabelDelay.INDEPENDENT), now_us=2_000_000_000)
    assert found.interval_at_any_time is None
    assert 1_900 < found.rows < 2_000
