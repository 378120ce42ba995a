"""What the system takes back by itself, and why; and the shadow before a canary."""

from __future__ import annotations

from math import log

import pytest

from dissonance.contracts.events import (
    IncidentRaised,
    ModelRolledBack,
    RolloutChanged,
)
from dissonance.contracts.standings import Behaviour
from dissonance.contracts.updates import RolloutPhase
from dissonance.pipeline.rollouts import Rollouts
from support.rollout_place import LIMITS, Place, Serves, kinds, new_place


@pytest.fixture
def place() -> Place:
    return new_place()


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
