"""An update on its way, with real models: canary, promotion, watch, and back, whoever is killed in between."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from dissonance.contracts.events import (
    CandidateRegistered,
    Event,
    IncidentRaised,
    ModelPromoted,
    ModelRolledBack,
    RetrainRequested,
    RolloutChanged,
    UpdateJudged,
)
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.updates import RetrainCause, RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.updates.verdict import RULES
from dissonance.errors import InputError
from dissonance.errors_of_updates import CoolingOff, RolloutUnderWay
from dissonance.pipeline.aliases import open_version
from dissonance.pipeline.judging import judge
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.taking_back import rollback
from dissonance.pipeline.update import train
from dissonance.ports.registry import Alias, ModelRole
from dissonance.science.logistic_critic import LogisticCritic
from support.distributions import labelled_rows
from support.rollout_place import LIMITS, Place, kinds, new_place
from support.updates import step_of
from support.version_stories import settled
from support.workshop import add_experience


@pytest.fixture
def place() -> Place:
    return new_place()


def test_a_canary_moves_nothing_and_labels_in_its_favour_promote_it(place: Place) -> None:
    assert kinds(place.begin()) == [RolloutChanged]
    assert place.in_production() == 1
    place.paired(30, 1, (True, False))
    assert kinds(place.advance()) == [RolloutChanged, ModelPromoted]
    assert place.in_production() == 2
    assert place.rollout().phase is RolloutPhase.ARMED


def test_a_canary_whose_labels_are_against_it_is_abandoned_and_nobody_noticed(place: Place) -> None:
    place.begin()
    place.paired(60, 1, (False, True))
    assert kinds(place.advance()) == [RolloutChanged]
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ABANDONED)
    assert place.advance() == []


def test_a_promotion_whose_labels_turn_is_taken_back_and_then_the_task_cools_off(place: Place) -> None:
    place.begin(at_once=True)
    assert place.in_production() == 2
    place.paired(60, 1, (False, True))
    assert kinds(place.advance()) == [RolloutChanged, ModelRolledBack, IncidentRaised]
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ROLLED_BACK)
    with pytest.raises(CoolingOff, match="cools off"):
        place.begin("another")
    place.begin("by hand", at_once=True)
    assert place.in_production() == 2


def test_after_its_watch_a_promotion_is_settled(place: Place) -> None:
    place.begin(at_once=True)
    place.traffic(1, after_s=LIMITS["rollback_window_s"] + 1)
    assert kinds(place.advance()) == [RolloutChanged]
    assert (place.in_production(), place.rollout().phase) == (2, RolloutPhase.SETTLED)


def test_a_bad_model_that_was_forced_is_taken_back_before_any_label(place: Place) -> None:
    place.force_a_bad_model()
    assert (place.in_production(), place.rollout().overridden) == (3, True)
    place.traffic(400, 8, labelled=False)
    assert kinds(place.advance()) == [RolloutChanged, ModelRolledBack, IncidentRaised]
    assert place.in_production() == 1
    assert "before labels came" in place.rollout().reason


def test_a_model_whose_critic_learnt_the_same_wrong_labels_is_taken_back_by_the_old_ones_critic(place: Place) -> None:
    place.learn_wrongly()
    place.set_policy(KL_eps=10.0, golden_drop_max=1.0, slice_drop_max=1.0, calibration_rise_max=1.0)
    asyncio.run(retrain(place.work, "small"))
    asyncio.run(promote(place.work, "small", 3, by="ann"))
    place.work.clock.advance(1)
    place.traffic(400, 8, labelled=False)
    assert kinds(place.advance()) == [RolloutChanged, ModelRolledBack, IncidentRaised]


def test_an_honest_update_is_not_taken_back_by_what_either_critic_believes(place: Place) -> None:
    place.begin(at_once=True)
    place.traffic(400, 8, labelled=False)
    assert place.advance() == []


def test_a_pair_whose_critic_an_earlier_release_stored_is_updated_and_watched(place: Place) -> None:
    earlier = place.add_of_an_earlier_release()
    asyncio.run(retrain(place.work, "small"))
    newest = place.version(earlier + 1)
    assert isinstance(asyncio.run(open_version(place.work, place.task, earlier)).critic, LogisticCritic)
    place.begin(versions=(newest.version, earlier), at_once=True)
    place.traffic(400, 8, labelled=False)
    assert place.advance() == []


def test_the_same_few_inputs_over_and_over_take_nothing_back(place: Place) -> None:
    place.force_a_bad_model()
    features = np.tile(labelled_rows(5, 8)[0], (100, 1))
    place.work.clock.advance(1)
    people = [f"again-{number}" for number in range(500)]
    asyncio.run(add_experience(place.work, place.task, features, [0] * 500, people, labelled=False))
    place.work.clock.advance(1)
    assert place.advance() == []


def test_only_one_rollout_is_under_way_and_the_same_cause_begins_once(place: Place) -> None:
    first, again = place.begin(), place.begin()
    assert [event.event_id for event in first] == [event.event_id for event in again]
    with pytest.raises(RolloutUnderWay, match="under way"):
        place.begin("another")


def test_a_move_that_was_cut_short_is_finished_by_whoever_looks_next(place: Place) -> None:
    place.begin()
    cut_short = msgspec.structs.replace(place.rollout(), phase=RolloutPhase.ARMED, revision=2)
    assert asyncio.run(place.work.store.save_rollout(cut_short, step_of(cut_short)))
    assert place.in_production() == 1
    assert kinds(place.advance()) == [ModelPromoted]
    assert place.in_production() == 2
    taken_back = msgspec.structs.replace(cut_short, phase=RolloutPhase.ROLLED_BACK, revision=3)
    assert asyncio.run(place.work.store.save_rollout(taken_back, step_of(taken_back)))
    assert kinds(place.advance()) == [ModelRolledBack]
    assert place.in_production() == 1


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_override_without_a_reason_is_no_override(place: Place, reason: str) -> None:
    with pytest.raises(InputError, match="without a reason"):
        asyncio.run(promote(place.work, "small", 2, by="ann", override=reason))
    assert asyncio.run(place.work.store.updates(place.task.task_id)) == []
    assert place.in_production() == 1


def request(place: Place, cause: RetrainCause = RetrainCause.HARM) -> RetrainRequested:
    return RetrainRequested(
        event_id="r" * 32,
        task_id=place.task.task_id,
        produced_at_us=place.work.clock.now_us(),
        producer="evaluator",
        reason="harm",
        requested_by="evaluator",
        cause=cause,
    )


def candidates(events: list[Event]) -> list[int]:
    return [event.version for event in events if isinstance(event, CandidateRegistered)]


def test_training_without_a_label_or_during_a_rollout_or_while_cooling_off_is_passed_over(place: Place) -> None:
    place.work.clock.advance(1)
    assert asyncio.run(train(place.work, request(place))) == []
    place.traffic(200, 9)
    place.begin()
    assert asyncio.run(train(place.work, request(place))) == []
    asyncio.run(rollback(place.work, "small", 1, by="ann"))
    place.begin("again", at_once=True)
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert asyncio.run(train(place.work, request(place))) == []
    assert candidates(asyncio.run(train(place.work, request(place, RetrainCause.HAND)))) == [3]


def test_a_candidate_that_was_registered_and_not_announced_is_announced_and_not_trained_again(place: Place) -> None:
    place.work.clock.advance(1)
    place.traffic(200, 9)
    asked = request(place)
    first = asyncio.run(train(place.work, asked))
    again = asyncio.run(train(place.work, asked))
    assert candidates(first) == candidates(again) == [3]
    assert first[0].event_id == again[0].event_id
    assert len(place.work.registry.versions(place.task.task_id, ModelRole.PROPOSER)) == 3


def candidate(place: Place, number: int, *, again: int = 0) -> CandidateRegistered:
    return CandidateRegistered(
        event_id=f"{again:016x}{number:016x}",
        task_id=place.task.task_id,
        produced_at_us=0,
        producer="learner",
        version=number,
        model_digest=place.version(number).digest,
        parent_version=1,
        reason="harm",
        numbers={},
    )


def test_a_good_candidate_is_judged_once_and_sent_into_its_canary(place: Place) -> None:
    said = asyncio.run(judge(place.work, candidate(place, 2)))
    again = asyncio.run(judge(place.work, candidate(place, 2)))
    assert kinds(said) == kinds(again) == [UpdateJudged, RolloutChanged]
    assert said[0] == again[0]
    assert len(asyncio.run(place.work.store.updates(place.task.task_id))) == 1
    kinds_of_decisions = [kept.decision.kind for kept in asyncio.run(place.work.store.decisions(place.task.task_id))]
    assert kinds_of_decisions == [DecisionKind.CANARY, DecisionKind.ACCEPTED, DecisionKind.PROMOTED]
    assert place.rollout().phase is RolloutPhase.CANARY


def test_a_good_candidate_is_judged_and_waits_during_a_rollout_and_while_the_task_cools_off(place: Place) -> None:
    place.begin("another", at_once=True)
    place.work.registry.promote(place.version(1))  # so that there is something to judge
    (judged,) = asyncio.run(judge(place.work, candidate(place, 2)))
    assert isinstance(judged, UpdateJudged)
    assert judged.verdict is UpdateVerdict.ACCEPTED
    assert place.rollout().phase is RolloutPhase.ARMED
    place.work.registry.promote(place.version(2))
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert asyncio.run(judge(place.work, candidate(place, 2))) == [judged]
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ROLLED_BACK)


def test_a_candidate_that_a_person_took_back_is_not_sent_again_when_it_is_announced_again(place: Place) -> None:
    place.set_policy(cooling_off_s=0)
    place.begin("by hand", at_once=True)
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert kinds(asyncio.run(judge(place.work, candidate(place, 2)))) == [UpdateJudged]
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ROLLED_BACK)


def test_a_bad_candidate_is_refused_with_every_rules_numbers_and_goes_nowhere(place: Place) -> None:
    place.learn_wrongly()
    place.set_policy(KL_eps=10.0)
    asyncio.run(retrain(place.work, "small"))
    (judged,) = asyncio.run(judge(place.work, candidate(place, 3)))
    assert isinstance(judged, UpdateJudged)
    assert judged.verdict is UpdateVerdict.REFUSED
    assert len(judged.findings) == len(RULES)
    assert not all(finding.holds for finding in judged.findings)
    assert asyncio.run(place.work.store.rollout(place.task.task_id)) is None


def aliases(place: Place) -> dict[int, str | None]:
    """What every version of both roles is; the pair of a version is the same."""
    registry, task_id = place.work.registry, place.task.task_id
    by_role = [
        {each.version: "production" if each.in_production else each.alias for each in registry.versions(task_id, role)}
        for role in ModelRole
    ]
    assert by_role[0] == by_role[1]
    return by_role[0]


def test_a_version_is_candidate_then_canary_then_in_production_or_nothing(place: Place) -> None:
    assert aliases(place) == {1: "production", 2: Alias.CANDIDATE}
    place.begin()
    assert aliases(place) == {1: "production", 2: Alias.CANARY}
    asyncio.run(rollback(place.work, "small", by="a test"))
    assert aliases(place) == {1: "production", 2: None}
    asyncio.run(promote(place.work, "small", 2, by="a test", canary=True))
    assert aliases(place) == {1: "production", 2: Alias.CANARY}
    place.paired(40, seed=3, right=(True, False))
    place.advance()
    assert aliases(place) == {1: None, 2: "production"}
    asyncio.run(rollback(place.work, "small", by="a test"))
    assert aliases(place) == {1: "production", 2: None}


def test_a_candidate_that_the_gate_refuses_is_a_candidate_no_more(place: Place) -> None:
    place.set_policy(model_bytes_max=1)
    asyncio.run(judge(place.work, candidate(place, 2)))
    assert aliases(place) == {1: "production", 2: None}


def refused_then_accepted_while_the_task_cools_off(place: Place, number: int) -> None:
    place.set_policy(model_bytes_max=1)
    asyncio.run(judge(place.work, candidate(place, number)))
    assert aliases(place)[number] is None
    asyncio.run(rollback(place.work, "small", by="ann"))
    place.set_policy(model_bytes_max=2**30, KL_eps=1.0, golden_drop_max=1.0, slice_drop_max=1.0)
    (judged,) = asyncio.run(judge(place.work, candidate(place, number, again=1)))
    assert isinstance(judged, UpdateJudged)
    assert judged.verdict is UpdateVerdict.ACCEPTED


def test_what_was_refused_and_is_accepted_later_waits_as_a_candidate_again() -> None:
    place = settled()
    refused_then_accepted_while_the_task_cools_off(place, 3)
    assert aliases(place) == {1: "production", 2: None, 3: Alias.CANDIDATE}


def test_what_is_accepted_later_does_not_take_the_place_of_a_newer_candidate() -> None:
    place = settled()
    asyncio.run(retrain(place.work, "small"))
    refused_then_accepted_while_the_task_cools_off(place, 3)
    assert aliases(place) == {1: "production", 2: None, 3: None, 4: Alias.CANDIDATE}
