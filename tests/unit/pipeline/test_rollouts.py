"""An update on its way, with real models: canary, promotion, watch, and back, whoever is killed in between."""

from __future__ import annotations

import asyncio
from math import log
from pathlib import Path
from typing import Any, NamedTuple, cast

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
from dissonance.contracts.schema import Task
from dissonance.contracts.standings import SERVING, Behaviour, ServingQuestion, Standing
from dissonance.contracts.updates import RetrainCause, RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.pairs import find_version
from dissonance.decisions.updates.verdict import RULES
from dissonance.drills.demo.mischief import register_spoilt
from dissonance.errors import GateRefused, InputError
from dissonance.pipeline.aliases import open_version
from dissonance.pipeline.judging import judge
from dissonance.pipeline.promotion import promote, rollback
from dissonance.pipeline.registration import FittedPair, register_pair
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.rollouts import Rollouts, begin
from dissonance.pipeline.update import train
from dissonance.ports.registry import Alias, ModelRole, ModelVersion
from dissonance.ports.rollouts import Rollout
from dissonance.science.logistic_critic import LogisticCritic
from support.distributions import labelled_rows
from support.updates import step_of
from support.workshop import Workshop, add_experience, create, frame, workshop, write

CRITIC_V1 = Path(__file__).parents[1] / "science" / "golden" / "critic.v1.json"
LIMITS: dict[str, Any] = {
    "canary_share": 0.5,
    "canary_labels_min": 20,
    "canary_max_s": 10_000,
    "rollback_window_s": 5_000,
    "cooling_off_s": 1_000,
}


class StoredEarlier:
    """A critic of version 1 as it lies in a registry."""

    def to_json(self) -> bytes:
        return CRITIC_V1.read_bytes()


class Place(NamedTuple):
    work: Workshop
    task: Task

    def set_policy(self, **values: Any) -> None:
        before = asyncio.run(self.work.store.policy(self.task.task_id))
        after = msgspec.structs.replace(before, version=before.version + 1, **values)
        asyncio.run(self.work.store.set_policy(self.task.task_id, after, reason="a test", by="a test"))

    def version(self, number: int) -> ModelVersion:
        return find_version(self.work.registry, self.task, number)

    def in_production(self) -> int:
        return self.work.registry.production(self.task.task_id, ModelRole.PROPOSER).version

    def rollout(self) -> Rollout:
        found = asyncio.run(self.work.store.rollout(self.task.task_id))
        assert found is not None
        return found

    def begin(self, cause: str = "judged", versions: tuple[int, int] = (2, 1), **options: Any) -> list[Event]:
        candidate, incumbent = map(self.version, versions)
        how = {"cause": cause, "by": "gate", "reason": "accepted", **options}
        return asyncio.run(begin(self.work, self.task, candidate, incumbent, **how))

    def advance(self) -> list[Event]:
        return asyncio.run(Rollouts(self.work).advance(self.task.task_id))

    def advance_with(self, serves: Serves, rollouts: Rollouts | None = None) -> list[Event]:
        """While a replica answers questions."""

        async def run() -> list[Event]:
            async with self.work.bus.answering(SERVING, serves.answer):
                return await (rollouts or Rollouts(self.work)).advance(self.task.task_id)

        return asyncio.run(run())

    def traffic(self, n: int, seed: int = 5, *, after_s: float = 1.0, **options: Any) -> None:
        """n inputs some seconds later, each a microsecond after the other."""
        self.work.clock.advance(after_s)
        features, classes = labelled_rows(n, seed)
        people = [f"seed-{seed}-{number}" for number in range(n)]
        asyncio.run(add_experience(self.work, self.task, features, classes.tolist(), people, **options))
        self.work.clock.advance(n / 1e6)

    def paired(self, n: int, seed: int, right: tuple[bool, bool]) -> None:
        digests = (self.version(2).digest, self.version(1).digest)
        self.traffic(n, seed, models=digests, right=right)

    def force_a_bad_model(self) -> None:
        """Version 3 learnt from exchanged labels; its critic did not."""
        assert asyncio.run(register_spoilt(self.work, self.task, seed=1)) == 3
        with pytest.raises(GateRefused):
            asyncio.run(promote(self.work, "small", 3, by="ann"))
        asyncio.run(promote(self.work, "small", 3, by="ann", override="looks fine"))

    def add_of_an_earlier_release(self) -> int:
        """Version 1 again, in production, with a critic as earlier releases stored them."""
        first = asyncio.run(open_version(self.work, self.task, 1))
        pair = FittedPair(first.proposer, cast(Any, StoredEarlier()), {}, {}, {}, "d" * 64)  # type: ignore[arg-type]
        made = register_pair(self.work, self.task, pair)
        for version in (made.critic, made.proposer):
            self.work.registry.promote(self.task.task_id, version.role, version.version)
        return made.proposer.version

    def learn_wrongly(self) -> None:
        features, classes = labelled_rows(3_000, 77)
        people = [f"wrong-{number}" for number in range(3_000)]
        wrong = [int(1 - each) for each in classes]
        asyncio.run(add_experience(self.work, self.task, features, wrong, people))


class Serves:
    """A replica that answers with what is in production."""

    def __init__(self, replica: str, place: Place) -> None:
        self.replica = replica
        self.place = place
        self.behaviour: dict[str, Behaviour] = {}

    def answer(self, asked: bytes) -> bytes:
        task_id = msgspec.msgpack.decode(asked, type=ServingQuestion).task_id
        version = self.place.version(self.place.in_production())
        return msgspec.msgpack.encode(Standing(self.replica, task_id, version.version, version.digest, self.behaviour))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Version 2 is a candidate."""
    work = workshop()
    made = Place(work, create(work, write(tmp_path, frame())).task)
    made.set_policy(**LIMITS)
    asyncio.run(retrain(work, "small"))
    return made


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


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
    with pytest.raises(GateRefused, match="cools off"):
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


def test_what_the_system_takes_back_by_itself_is_an_incident_with_its_numbers_and_replicas(place: Place) -> None:
    place.force_a_bad_model()
    since_us = place.rollout().phase_at_us
    place.traffic(400, 8, labelled=False)
    events = place.advance_with(Serves("follows", place))
    incident = events[-1]
    assert isinstance(incident, IncidentRaised)
    assert (incident.version, incident.previous_version, incident.since_us) == (3, 1, since_us)
    assert "before labels came" in incident.what
    assert incident.evidence["estimated_difference"] < -0.1
    assert (incident.replicas, incident.replicas_missing) == (["follows"], [])


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (Behaviour(200, 150, 50 * log(300), 50 * log(300) ** 2), "75.0% of its 200 calls failed"),
        (Behaviour(200, 0, 200 * log(9_000), 200 * log(9_000) ** 2), "30.0 times as long"),
    ],
)
def test_a_model_that_fails_or_is_slow_where_it_serves_is_taken_back_though_its_answers_are_right(
    place: Place, behaviour: Behaviour, why: str
) -> None:
    place.begin(at_once=True)
    rollouts, serves = Rollouts(place.work), Serves("one", place)
    assert place.advance_with(serves, rollouts) == [], "what was counted before says nothing"
    usual = Behaviour(200, 0, 200 * log(300), 200 * log(300) ** 2)
    serves.behaviour = {place.version(1).digest: usual, place.version(2).digest: usual}
    assert place.advance_with(serves, rollouts) == [], "as good as the version before"
    serves.behaviour[place.version(2).digest] = behaviour
    rollouts = Rollouts(place.work)
    serves.behaviour, now = {}, serves.behaviour
    assert place.advance_with(serves, rollouts) == []
    serves.behaviour = now
    assert kinds(place.advance_with(serves, rollouts)) == [RolloutChanged, ModelRolledBack, IncidentRaised]
    assert why in place.rollout().reason
    assert place.in_production() == 1


def test_a_candidate_answers_in_the_shadow_first_where_the_policy_asks_for_it(place: Place) -> None:
    place.set_policy(shadow_rows=200)
    assert kinds(place.begin()) == [RolloutChanged]
    assert (place.rollout().phase, place.rollout().share) == (RolloutPhase.CANARY, 0.0)
    place.traffic(100, 8, labelled=False)
    assert place.advance() == []
    place.traffic(200, 9, labelled=False)
    assert kinds(place.advance()) == [RolloutChanged]
    assert (place.rollout().phase, place.rollout().share) == (RolloutPhase.CANARY, LIMITS["canary_share"])
    assert "in the shadow on 300 inputs" in place.rollout().reason


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
    with pytest.raises(GateRefused, match="under way"):
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


def test_rolling_back_by_hand_ends_what_is_under_way(place: Place) -> None:
    place.begin(at_once=True)
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ROLLED_BACK)


def test_rolling_back_during_a_canary_ends_the_canary_and_leaves_production(place: Place) -> None:
    place.begin()
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ABANDONED)


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


def candidate(place: Place, number: int) -> CandidateRegistered:
    return CandidateRegistered(
        event_id=f"{number:032x}",
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
    place.work.registry.promote(place.task.task_id, ModelRole.PROPOSER, 1)  # so that there is something to judge
    (judged,) = asyncio.run(judge(place.work, candidate(place, 2)))
    assert isinstance(judged, UpdateJudged)
    assert judged.verdict is UpdateVerdict.ACCEPTED
    assert place.rollout().phase is RolloutPhase.ARMED
    place.work.registry.promote(place.task.task_id, ModelRole.PROPOSER, 2)
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert asyncio.run(judge(place.work, candidate(place, 2))) == [judged]
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
