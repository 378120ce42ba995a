"""May an update go live: all rules must hold, none is a no, and the same numbers give the same verdict."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding, UpdateVerdict
from dissonance.decisions.updates.fairness import FairnessNotWorse
from dissonance.decisions.updates.golden import GoldenNonInferiority
from dissonance.decisions.updates.held_out import HeldOutLossNotWorse
from dissonance.decisions.updates.holdout import HoldoutFresh
from dissonance.decisions.updates.kl import KLBound
from dissonance.decisions.updates.numbers import (
    REFERENCE_INPUTS,
    WINDOW_INPUTS,
    Cost,
    GroupGaps,
    Identity,
    SliceChange,
    UpdateNumbers,
)
from dissonance.decisions.updates.robustness import RobustToNoise
from dissonance.decisions.updates.slices import NoSliceWorse
from dissonance.decisions.updates.verdict import RULES, judge_update
from support.judged_numbers import change, numbers, robustness

POLICY = Policy(golden_drop_max=0.015, slice_drop_max=0.05, calibration_rise_max=0.02, KL_eps=0.02)
NEW = ("robustness", "cost", "identity", "fairness", "not_in_schema", "golden_form", "kl_inputs")


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
        "RobustToNoise",
        "LatencyWithin",
        "SizeWithin",
        "SignedForTask",
        "FairnessNotWorse",
        "HoldoutFresh",
    ]
    assert all(finding.what for finding in findings)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ("", "1000 inputs of the last window"),
        (WINDOW_INPUTS, "1000 inputs of the last window"),
        (REFERENCE_INPUTS, "1000 reference rows, since no window has enough inputs yet"),
    ],
)
def test_the_bound_of_the_step_says_on_which_inputs_it_was_measured(inputs: str, said: str) -> None:
    assert said in KLBound().check(numbers(kl_inputs=inputs), POLICY).what


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
        (numbers(robustness=robustness(flips=0.03)), "RobustToNoise"),
        (numbers(robustness=robustness(drop=0.02)), "RobustToNoise"),
        (numbers(cost=Cost(10.0, 81.0, 1_000, 1_000)), "LatencyWithin"),
        (numbers(cost=Cost(10.0, 10.0, 1_000, 134_217_729)), "SizeWithin"),
        (numbers(identity=Identity(signed=False)), "SignedForTask"),
        (numbers(identity=Identity(schema=False)), "SignedForTask"),
        (numbers(identity=Identity(classes=False)), "SignedForTask"),
        (numbers(fairness=(GroupGaps("sex", 2, 0.1, 0.16, 0.0, 0.0),)), "FairnessNotWorse"),
        (numbers(fairness=(GroupGaps("sex", 2, 0.0, 0.0, 0.1, 0.16),)), "FairnessNotWorse"),
        (numbers(not_in_schema=("sexx",)), "FairnessNotWorse"),
        (numbers(holdout_uses=1_000), "HoldoutFresh"),
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


@given(st.integers(1, 20_000), st.integers(0, 50), st.integers(0, 2_000), st.floats(0.0, 0.2))
def test_a_candidate_that_loses_no_more_than_it_gains_is_refused_on_no_holdout_however_often_it_was_looked_at(
    rows: int, moved: int, looks: int, margin: float
) -> None:
    candidate = numbers(golden=change(0, rows + 2 * moved, moved=moved), holdout_uses=looks)
    policy = msgspec.structs.replace(POLICY, golden_drop_max=margin)
    assert GoldenNonInferiority().check(candidate, policy).holds


@given(st.integers(20, 3_000), st.integers(0, 60), st.integers(0, 100), st.integers(0, 500), st.integers(1, 500))
def test_on_small_holdouts_too_more_looks_never_turn_a_no_into_a_yes(
    rows: int, drop: int, moved: int, looks: int, more: int
) -> None:
    drop = min(drop, rows)
    golden = change(drop, rows, moved=min(moved, (rows - drop) // 2))
    fewer = GoldenNonInferiority().check(numbers(golden=golden, holdout_uses=looks), POLICY).holds
    assert fewer or not GoldenNonInferiority().check(numbers(golden=golden, holdout_uses=looks + more), POLICY).holds


def test_a_worn_holdout_lets_no_drop_through_and_judges_old_judgements_as_they_were() -> None:
    worn = numbers(golden=change(0, 200), holdout_uses=20)
    assert failed(worn) == []
    assert failed(msgspec.structs.replace(worn, golden=change(1, 200))) == ["GoldenNonInferiority"]
    assert failed(msgspec.structs.replace(worn, golden_form=1)) == ["GoldenNonInferiority"]


def test_the_end_of_the_interval_is_called_a_bound_and_earlier_judgements_say_what_they_said() -> None:
    looked = numbers(golden=change(0, 200), holdout_uses=4)
    said = GoldenNonInferiority().check(looked, POLICY).what
    assert ", upper bound 0." in said and "after 5 looks); the policy allows" in said
    assert "after 1 look); the" in GoldenNonInferiority().check(numbers(golden=change(0, 200)), POLICY).what
    assert ", at most 0." in GoldenNonInferiority().check(msgspec.structs.replace(looked, golden_form=2), POLICY).what


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
    assert len({type(rule) for rule in RULES}) == len(RULES) == 11


def test_a_candidate_that_may_not_be_opened_is_refused_for_that_alone() -> None:
    unopened = UpdateNumbers.of_refused(Identity(signed=False, refusal="model-tampered: bytes changed"), 3)
    verdict, (finding,) = judge_update(unopened, POLICY)
    assert (verdict, finding.rule) == (UpdateVerdict.REFUSED, "SignedForTask")
    assert "model-tampered: bytes changed" in finding.what
    assert finding.numbers == {"signature": 0.0, "feature_schema": 1.0, "class_order": 1.0}


@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.floats(0.0, 0.05))
def test_noise_refuses_only_what_goes_beyond_two_standard_errors(flips: float, drop: float, error: float) -> None:
    found = RobustToNoise().check(numbers(robustness=robustness(flips=flips, drop=drop, error=error)), POLICY)
    assert found.holds == (
        (flips + 0.1) - 0.1 - 2 * error <= POLICY.flip_rise_max
        and (drop + 0.05) - 0.05 - 2 * error <= POLICY.perturbed_drop_max
    )


def test_above_the_widest_gap_only_an_update_that_narrows_it_goes_live() -> None:
    def holds(before: float, after: float) -> bool:
        gaps = GroupGaps("sex", 2, before, after, before, after)
        return FairnessNotWorse().check(numbers(fairness=(gaps,)), POLICY).holds

    assert holds(0.30, 0.25)
    assert holds(0.30, 0.30)
    assert not holds(0.30, 0.31)
    assert not holds(0.19, 0.21)
    assert holds(0.15, 0.19)


def test_without_a_sensitive_column_fairness_holds_and_says_so() -> None:
    finding = FairnessNotWorse().check(numbers(), POLICY)
    assert (finding.holds, finding.what) == (True, "no sensitive column is declared")
    small = FairnessNotWorse().check(numbers(fairness=(GroupGaps("sex", 1),)), POLICY)
    assert small.holds
    assert "fewer than two groups" in small.what


def test_a_holdout_that_is_worn_out_says_what_to_do() -> None:
    assert "refresh it" in HoldoutFresh().check(numbers(holdout_uses=1_000), POLICY).what
    assert (
        HoldoutFresh().check(numbers(holdout_uses=999), POLICY).what
        == "this is look 1000 of 1000 at the golden holdout"
    )


def test_numbers_of_an_earlier_release_are_read_and_every_new_rule_holds() -> None:
    old = {name: value for name, value in msgspec.structs.asdict(numbers()).items() if name not in NEW}
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=UpdateNumbers)
    assert judge_update(read, POLICY)[0] is UpdateVerdict.ACCEPTED


def test_all_numbers_are_read_as_they_were_written() -> None:
    full = numbers(
        robustness=robustness(),
        cost=Cost(1.0, 2.0, 3, 4),
        fairness=(GroupGaps("sex", 2, 0.1, 0.2, 0.3, 0.4),),
        not_in_schema=("age",),
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(full), type=UpdateNumbers) == full
