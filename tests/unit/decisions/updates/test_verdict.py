"""May an update go live: all rules must hold, none is a no, and the same numbers give the same verdict."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding, UpdateVerdict
from dissonance.decisions.updates.golden import GoldenNonInferiority
from dissonance.decisions.updates.held_out import HeldOutLossNotWorse
from dissonance.decisions.updates.kl import KLBound
from dissonance.decisions.updates.numbers import SliceChange, UpdateNumbers
from dissonance.decisions.updates.slices import NoSliceWorse
from dissonance.decisions.updates.verdict import RULES, judge_update
from support.judged_numbers import change, numbers

POLICY = Policy(golden_drop_max=0.015, slice_drop_max=0.05, calibration_rise_max=0.02, KL_eps=0.02)


def failed(given_numbers: UpdateNumbers) -> list[str]:
    return [finding.rule for finding in judge_update(given_numbers, POLICY)[1] if not finding.holds]


def test_an_update_that_changes_nothing_is_accepted_by_every_rule() -> None:
    verdict, findings = judge_update(numbers(), POLICY)
    assert verdict is UpdateVerdict.ACCEPTED
    assert [finding.rule for finding in findings] == [
        "GoldenNonInferiority",
        "KLBound",
        "NoSliceWorse",
        "CalibrationNotWorse",
        "HeldOutLossNotWorse",
    ]
    assert all(finding.what for finding in findings)


def test_an_empty_gate_refuses() -> None:
    verdict, (finding,) = judge_update(numbers(), POLICY, rules=())
    assert (verdict, finding.rule) == (UpdateVerdict.REFUSED, "EmptyGate")


def test_without_golden_rows_nothing_goes_live() -> None:
    verdict, (finding,) = judge_update(numbers(golden=change(rows=0)), POLICY)
    assert (verdict, finding.rule) == (UpdateVerdict.REFUSED, "EmptyGate")


@pytest.mark.parametrize(
    ("worse", "rule"),
    [
        (numbers(golden=change(200)), "GoldenNonInferiority"),
        (numbers(kl=0.03), "KLBound"),
        (numbers(slices=(SliceChange("sex", "1", change(100, 1_000)),)), "NoSliceWorse"),
        (numbers(candidate_calibration_error=0.05), "CalibrationNotWorse"),
        (numbers(held_out_rise=0.02, held_out_error=0.01, held_out_rows=200), "HeldOutLossNotWorse"),
    ],
)
def test_each_rule_refuses_by_itself(worse: UpdateNumbers, rule: str) -> None:
    assert failed(worse) == [rule]
    assert judge_update(worse, POLICY)[0] is UpdateVerdict.REFUSED


class Always:
    def __init__(self, holds: bool) -> None:
        self.holds = holds

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        return RuleFinding("Always", self.holds, {}, "as it was told")


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_accepted_is_that_every_rule_holds(holds: list[bool]) -> None:
    verdict, findings = judge_update(numbers(), POLICY, [Always(each) for each in holds])
    assert (verdict is UpdateVerdict.ACCEPTED) == all(holds)
    assert [finding.holds for finding in findings] == holds


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 50))
def test_a_larger_drop_or_more_looks_never_turn_a_no_into_a_yes(drop: int, more: int, looks: int) -> None:
    rule = GoldenNonInferiority()
    small = rule.check(numbers(golden=change(drop), holdout_uses=looks), POLICY).holds
    larger = rule.check(numbers(golden=change(drop + more), holdout_uses=looks), POLICY).holds
    looked = rule.check(numbers(golden=change(drop), holdout_uses=looks + 5), POLICY).holds
    assert small or not larger
    assert small or not looked


def test_a_holdout_that_was_looked_at_often_asks_for_more_certainty() -> None:
    near = numbers(golden=change(100, moved=150))
    assert failed(near) == []
    assert failed(msgspec.structs.replace(near, holdout_uses=500)) == ["GoldenNonInferiority"]


def test_a_small_holdout_that_cannot_tell_goes_by_the_drop_that_was_seen() -> None:
    assert failed(numbers(golden=change(1, 100, moved=5))) == []
    assert failed(numbers(golden=change(2, 100, moved=5))) == ["GoldenNonInferiority"]


def test_kl_just_above_its_bound_within_its_error_holds() -> None:
    assert KLBound().check(numbers(kl=0.021, kl_error=0.001), POLICY).holds
    assert not KLBound().check(numbers(kl=0.021, kl_error=0.0001), POLICY).holds


def test_a_slice_that_lost_by_chance_refuses_nothing_and_the_worst_three_are_named() -> None:
    by_chance = SliceChange("age", "16..35", change(2, 30, moved=8))
    assert NoSliceWorse().check(numbers(slices=(by_chance,)), POLICY).holds
    worse = tuple(SliceChange("state", str(number), change(100 + number, 1_000)) for number in range(5))
    finding = NoSliceWorse().check(numbers(slices=worse), POLICY)
    assert not finding.holds
    assert "5 of 5 slices" in finding.what
    assert "state = 4 by 0.1040" in finding.what
    assert "and 2 more" in finding.what


@given(st.floats(-1.0, 1.0), st.floats(0.0, 1.0))
def test_fresh_labels_veto_when_the_loss_rises_by_a_standard_error(rise: float, error: float) -> None:
    found = HeldOutLossNotWorse().check(numbers(held_out_rise=rise, held_out_error=error, held_out_rows=100), POLICY)
    assert found.holds == (rise <= 0.0 or rise < error)
    assert f"{rise:+.4f}" in found.what


def test_a_verdict_from_before_there_were_held_out_rows_is_replayed_to_itself() -> None:
    finding = HeldOutLossNotWorse().check(numbers(), POLICY)
    assert finding.holds
    assert finding.what == "no labelled rows were held out"


def test_list_of_rules_is_what_the_gate_goes_by() -> None:
    assert len({type(rule) for rule in RULES}) == len(RULES) == 5
