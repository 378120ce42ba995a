"""Values of the policy that updates are made, judged and rolled out by: only the value changes, and what becomes."""

from __future__ import annotations

import asyncio
from math import log
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from dissonance.contracts.policy import Policy
from dissonance.contracts.standings import Behaviour
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.beginning import cools_off
from dissonance.decisions.rollouts import Behaved, Believed, next_step
from dissonance.decisions.updates.numbers import Cost, GroupGaps, SliceChange, UpdateNumbers
from dissonance.decisions.updates.verdict import judge_update
from dissonance.pipeline.moving import Unseen, move
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.training import LabelledRows
from dissonance.ports.rollouts import PairedCounts
from dissonance.roles.meta.decide import weight
from dissonance.science.mixing import Calibration
from support.candidates import Bench
from support.copies import made_once
from support.distributions import labelled_rows
from support.judged_numbers import change, numbers, robustness
from support.updates import rollout_of
from support.workshop import Served, Workshop, add_experience, small_task, updated_task

SECOND_US = 1_000_000
TASK_ID = "0" * 31 + "1"


def failed(given: UpdateNumbers, **values: Any) -> list[str]:
    """The rules that refuse."""
    verdict, findings = judge_update(given, Policy(**values))
    names = [finding.rule for finding in findings if not finding.holds]
    assert (verdict is UpdateVerdict.ACCEPTED) == (not names)
    return names


def test_golden_drop_max_is_how_much_golden_accuracy_an_update_may_lose() -> None:
    worse = numbers(golden=change(100))
    assert failed(worse, golden_drop_max=0.02) == []
    assert failed(worse, golden_drop_max=0.005) == ["GoldenNonInferiority"]


def test_slice_drop_max_is_how_much_accuracy_a_slice_may_lose() -> None:
    worse = numbers(slices=(SliceChange("sex", "1", change(60, 1_000)),))
    assert failed(worse, slice_drop_max=0.07) == []
    assert failed(worse, slice_drop_max=0.05) == ["NoSliceWorse"]


def test_calibration_rise_max_is_how_much_less_calibrated_an_update_may_be() -> None:
    worse = numbers(candidate_calibration_error=0.05)
    assert failed(worse, calibration_rise_max=0.031) == []
    assert failed(worse, calibration_rise_max=0.029) == ["CalibrationNotWorse"]


def test_kl_eps_is_how_far_an_update_may_go_and_how_far_it_goes() -> None:
    assert failed(numbers(kl=0.03), KL_eps=0.031) == []
    assert failed(numbers(kl=0.03), KL_eps=0.029) == ["KLBound"]
    near, far = (made(KL_eps=eps) for eps in (0.001, 0.05))
    assert near["kl"] == pytest.approx(0.001, rel=0.01)
    assert far["kl"] > near["kl"]
    assert far["step"] > near["step"]


def test_flip_rise_max_is_how_many_more_answers_may_turn_under_noise() -> None:
    brittle = numbers(robustness=robustness(flips=0.04))
    assert failed(brittle, flip_rise_max=0.04) == []
    assert failed(brittle, flip_rise_max=0.03) == ["RobustToNoise"]


def test_perturbed_drop_max_is_how_much_more_accuracy_noise_may_cost() -> None:
    brittle = numbers(robustness=robustness(drop=0.04))
    assert failed(brittle, perturbed_drop_max=0.04) == []
    assert failed(brittle, perturbed_drop_max=0.03) == ["RobustToNoise"]


def test_latency_ratio_max_is_how_much_slower_an_update_may_answer() -> None:
    slow = numbers(cost=Cost(10.0, 30.0, 1, 1))
    assert failed(slow, latency_ratio_max=3.0) == []
    assert failed(slow, latency_ratio_max=2.9) == ["LatencyWithin"]


def test_model_bytes_max_is_how_large_a_pair_may_be() -> None:
    large = numbers(cost=Cost(1.0, 1.0, 1, 1_000))
    assert failed(large, model_bytes_max=1_000) == []
    assert failed(large, model_bytes_max=999) == ["SizeWithin"]


def test_fairness_rise_max_is_how_much_wider_a_gap_between_groups_may_become() -> None:
    wider = numbers(fairness=(GroupGaps("sex", 2, 0.02, 0.1, 0.02, 0.02),))
    assert failed(wider, fairness_rise_max=0.09) == []
    assert failed(wider, fairness_rise_max=0.07) == ["FairnessNotWorse"]


def test_fairness_gap_max_is_the_gap_above_which_only_what_narrows_it_goes_live() -> None:
    wider = numbers(fairness=(GroupGaps("sex", 2, 0.09, 0.1, 0.02, 0.02),))
    assert failed(wider, fairness_gap_max=0.11) == []
    assert failed(wider, fairness_gap_max=0.095) == ["FairnessNotWorse"]


def test_holdout_uses_max_is_how_many_candidates_one_holdout_may_judge() -> None:
    assert failed(numbers(holdout_uses=9), holdout_uses_max=10) == []
    assert failed(numbers(holdout_uses=9), holdout_uses_max=9) == ["HoldoutFresh"]


def test_perturbation_spread_is_how_far_golden_inputs_are_moved() -> None:
    bench = Bench()
    still, little, much = (bench.numbers(perturbation_spread=spread).robustness for spread in (0.0, 0.05, 1.0))
    assert still is not None
    assert little is not None
    assert much is not None
    assert still.candidate.flips < little.candidate.flips < much.candidate.flips


def test_sensitive_columns_are_those_whose_groups_are_compared() -> None:
    bench = Bench()
    assert bench.numbers(slice_rows_min=20).fairness == ()
    declared = bench.numbers(slice_rows_min=20, sensitive_columns="kind, sex")
    assert [(gaps.column, gaps.groups) for gaps in declared.fairness] == [("kind", 4)]
    assert declared.not_in_schema == ("sex",)


class Constant:
    """Answers every row alike."""

    def __init__(self, yes: float) -> None:
        self.yes = yes

    def probabilities(self, features: Any) -> Any:
        return np.tile([1.0 - self.yes, self.yes], (len(features), 1))


class BelievesNothing:
    """Its dissonance is the proposer's confidence."""

    def confidence(self, features: Any, probabilities: Any) -> Any:
        return np.zeros(len(features))


def test_lambda_in_force_pulls_the_step_back_where_dissonance_is_above_the_target() -> None:
    features, classes = np.zeros((400, 1)), np.array([1, 1, 1, 0] * 100)
    new: Any = Constant(0.9)
    held = Unseen(LabelledRows(features, classes), new.probabilities(features))

    def step(**values: Any) -> float:
        old, critic = cast(Any, Constant(0.6)), cast(Any, BelievesNothing())
        return move(
            old, critic, new, Calibration.none(2), held, features, Policy(KL_eps=1.0, D_target=0.0, **values)
        ).step

    assert step(lambda_in_force=0.0, lambda_max=1.0) == 1.0
    assert step(lambda_in_force=1.0, lambda_max=1.0) < 0.5


def test_lambda_max_is_the_weight_that_a_penalty_that_pays_gets() -> None:
    pays = {"penalty_gain": 0.01, "penalty_gain_error": 0.001}
    assert weight(pays, Policy(lambda_max=0.05)).value == 0.05
    assert weight(pays, Policy(lambda_max=0.02)).value == 0.02


@made_once
def contradicted() -> Served:
    """A small task, and rows that contradict what it learnt."""
    work, task = small_task()
    features, classes = labelled_rows(600, 77)
    people = [f"new-{number}" for number in range(600)]
    asyncio.run(add_experience(work, task, features, [int(1 - each) for each in classes], people))
    return Served(work, task)


def made(**values: Any) -> dict[str, float]:
    """The numbers of an update of it."""
    work, task = contradicted()
    set_policy(work, task.task_id, **values)
    return asyncio.run(retrain(work, "small")).numbers


def set_policy(work: Workshop, task_id: str, **values: Any) -> None:
    before = asyncio.run(work.store.policy(task_id))
    after = msgspec.structs.replace(before, version=before.version + 1, **values)
    asyncio.run(work.store.set_policy(task_id, after, reason="a test", by="a test"))


def stepped(phase: RolloutPhase, paired: PairedCounts, now_s: int = 0, **values: Any) -> RolloutPhase | None:
    rollout = rollout_of(TASK_ID, 2, phase)
    step = next_step(rollout, paired, None, now_s * SECOND_US, Policy(**values))
    return None if step is None else step.phase


def test_canary_labels_min_is_how_many_labels_a_canary_needs_before_anything_is_decided() -> None:
    better = PairedCounts(20, 20, 0, 0)
    assert stepped(RolloutPhase.CANARY, better, canary_labels_min=40) is RolloutPhase.ARMED
    assert stepped(RolloutPhase.CANARY, better, canary_labels_min=41) is None


def test_canary_max_s_is_when_an_undecided_canary_ends() -> None:
    undecided = PairedCounts(50, 3, 2, 0)
    assert stepped(RolloutPhase.CANARY, undecided, 600, canary_max_s=601) is None
    assert stepped(RolloutPhase.CANARY, undecided, 600, canary_max_s=600) is RolloutPhase.ABANDONED


def test_rollback_window_s_is_how_long_a_promotion_is_watched() -> None:
    nothing = PairedCounts(0, 0, 0, 0)
    assert stepped(RolloutPhase.ARMED, nothing, 600, rollback_window_s=601) is None
    assert stepped(RolloutPhase.ARMED, nothing, 600, rollback_window_s=600) is RolloutPhase.SETTLED


def test_harm_margin_is_how_much_worse_a_promotion_may_seem_before_labels() -> None:
    rollout, believed = rollout_of(TASK_ID, 2, RolloutPhase.ARMED), Believed(500, -0.05, 0.01)
    nothing = PairedCounts(0, 0, 0, 0)
    step = next_step(rollout, nothing, believed, 0, Policy(harm_margin=0.01))
    assert step is not None
    assert step.phase is RolloutPhase.ROLLED_BACK
    assert next_step(rollout, nothing, believed, 0, Policy(harm_margin=0.03)) is None


def test_cooling_off_s_is_how_long_nothing_is_promoted_by_itself_after_a_rollback() -> None:
    rolled_back = rollout_of(TASK_ID, 2, RolloutPhase.ROLLED_BACK)
    assert cools_off(rolled_back, 600 * SECOND_US, 601)
    assert not cools_off(rolled_back, 600 * SECOND_US, 600)


@pytest.mark.parametrize(("share", "phase"), [(0.25, RolloutPhase.CANARY), (0.0, RolloutPhase.ARMED)])
def test_canary_share_is_of_requests_that_a_candidate_answers_first_and_0_is_no_canary(
    share: float, phase: RolloutPhase
) -> None:
    work, task = updated_task()
    set_policy(work, task.task_id, canary_share=share)
    asyncio.run(promote(work, "small", 2, by="a test", canary=True))
    rollout = asyncio.run(work.store.rollout(task.task_id))
    assert rollout is not None
    assert (rollout.phase, rollout.share) == (phase, share)


def behaved(calls: int, failed: int, times: float) -> Behaved:
    """A model whose calls take so many times as long as those of the version before, of which none failed."""
    usual = log(300.0)
    timed, slower = calls - failed, usual + log(times)
    return Behaved(
        Behaviour(calls, failed, timed * slower, timed * slower**2),
        Behaviour(calls, 0, calls * usual, calls * usual**2),
    )


def taken_back(seen: Behaved, **values: Any) -> bool:
    rollout = rollout_of(TASK_ID, 2, RolloutPhase.ARMED)
    step = next_step(rollout, PairedCounts(0, 0, 0, 0), None, 0, Policy(**values), seen)
    return step is not None and step.phase is RolloutPhase.ROLLED_BACK


def test_error_rise_max_is_how_many_more_calls_of_a_new_model_may_fail() -> None:
    seen = behaved(2_000, 100, 1.0)
    assert taken_back(seen, error_rise_max=0.01)
    assert not taken_back(seen, error_rise_max=0.05)
    assert not taken_back(behaved(20, 20, 1.0), error_rise_max=0.0), "too few calls say nothing"


def test_latency_rise_max_is_how_much_longer_a_call_of_a_new_model_may_take() -> None:
    seen = behaved(200, 0, 3.0)
    assert taken_back(seen, latency_rise_max=1.5)
    assert not taken_back(seen, latency_rise_max=2.5)


def test_shadow_rows_is_how_many_inputs_a_candidate_answers_in_the_shadow_before_its_canary() -> None:
    in_shadow, nothing = rollout_of(TASK_ID, 2, RolloutPhase.CANARY, share=0.0), PairedCounts(0, 0, 0, 0)
    seen = Believed(300, 0.0, 0.01)
    step = next_step(in_shadow, nothing, seen, 0, Policy(shadow_rows=200, canary_share=0.25))
    assert step is not None
    assert (step.phase, step.share) == (RolloutPhase.CANARY, 0.25)
    assert next_step(in_shadow, nothing, seen, 0, Policy(shadow_rows=400)) is None
