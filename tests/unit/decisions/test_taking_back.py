"""What is taken back, and what is written down of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.taking_back import Hand, is_said, taken_back, what_to_put_back
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.ports.rollouts import Rollout
from support.updates import rollout_of

HAND = Hand("t" * 32, 7, "ann", "looks wrong")
CANARY, ARMED, SETTLED = RolloutPhase.CANARY, RolloutPhase.ARMED, RolloutPhase.SETTLED
ABANDONED, ROLLED_BACK = RolloutPhase.ABANDONED, RolloutPhase.ROLLED_BACK


def rollout(version: int, previous: int, phase: RolloutPhase, **more: object) -> Rollout:
    digests = {"model_digest": str(version), "previous_digest": str(previous)}
    return rollout_of(HAND.task_id, version, phase, previous_version=previous, **digests, **more)


def model(version: int) -> ModelVersion:
    return ModelVersion(HAND.task_id, ModelRole.PROPOSER, version, str(version), 0, {})


@pytest.mark.parametrize(
    ("rollouts", "production", "parent", "wanted"),
    [
        pytest.param([], 2, 1, 1, id="what no rollout put there goes to what it was trained to replace"),
        pytest.param([], 1, None, None, id="the first version replaced none"),
        pytest.param([rollout(2, 1, CANARY)], 1, None, 1, id="a canary ends and production stays"),
        pytest.param([rollout(2, 1, ARMED)], 2, 1, 1, id="a watched promotion"),
        pytest.param([rollout(2, 1, ARMED)], 1, None, 1, id="a promotion whose alias has not moved yet"),
        pytest.param([rollout(3, 1, SETTLED)], 3, 2, 1, id="what a settled promotion replaced, not its parent"),
        pytest.param([rollout(2, 1, ROLLED_BACK)], 1, None, 1, id="what was taken back stays taken back"),
        pytest.param([rollout(3, 2, ROLLED_BACK), rollout(2, 1, SETTLED)], 2, 1, 2, id="and goes no further"),
        pytest.param(
            [rollout(3, 2, ROLLED_BACK, back_to=1)], 3, 2, 1, id="a move to a named version that was cut short"
        ),
        pytest.param([rollout(3, 2, ROLLED_BACK, back_to=1)], 1, None, 1, id="a named version that is there"),
        pytest.param([rollout(3, 2, ABANDONED), rollout(2, 1, SETTLED)], 2, 1, 2, id="after a canary the gate ended"),
        pytest.param(
            [rollout(3, 2, ABANDONED, back_to=2), rollout(2, 1, SETTLED)], 2, 1, 2, id="after one a person ended"
        ),
        pytest.param([rollout(4, 2, ABANDONED), rollout(3, 2, ROLLED_BACK)], 2, 1, 2, id="taken back, then a canary"),
        pytest.param([rollout(2, 1, ARMED)], 5, 4, 4, id="somebody put another there past all rollouts"),
        pytest.param([rollout(2, 1, ROLLED_BACK)], 5, 4, 4, id="also after a rollback"),
    ],
)
def test_without_a_version_what_was_promoted_last_is_taken_back_once(
    rollouts: list[Rollout], production: int, parent: int | None, wanted: int | None
) -> None:
    assert what_to_put_back(rollouts, production, parent) == wanted


def test_a_canary_ends_and_then_a_named_version_takes_the_place_of_production() -> None:
    ended = taken_back(rollout(3, 2, CANARY), model(2), model(1), HAND)
    assert ended is not None
    assert (ended.phase, ended.back_to, ended.revision, ended.by) == (ABANDONED, 2, 2, "ann")
    back = taken_back(ended, model(2), model(1), HAND)
    assert back is not None
    assert (back.phase, back.version, back.put_back, back.revision) == (ROLLED_BACK, 2, (1, "1"), 1)
    assert taken_back(back, model(2), model(1), HAND) is None


def test_a_watched_promotion_ends_and_keeps_what_it_replaced_beside_what_is_put_there() -> None:
    back = taken_back(rollout(3, 2, ARMED), model(3), model(1), HAND)
    assert back is not None
    assert (back.phase, back.previous_version, back.put_back) == (ROLLED_BACK, 2, (1, "1"))


def test_two_at_once_write_the_same_id() -> None:
    latest = rollout(2, 1, SETTLED)
    first, second = (taken_back(latest, model(2), model(to), HAND) for to in (1, 3))
    assert first is not None and second is not None
    assert (first.rollout_id, first.revision) == (second.rollout_id, second.revision)


def test_what_is_in_production_already_needs_no_further_word() -> None:
    assert taken_back(rollout(2, 1, SETTLED), model(2), model(2), HAND) is None
    assert taken_back(None, model(1), model(1), HAND) is None


phases = st.sampled_from(list(RolloutPhase))
versions = st.integers(1, 4)


@given(versions, versions, phases, versions)
def test_repeated_it_takes_back_nothing_more(version: int, previous: int, phase: RolloutPhase, production: int) -> None:
    rollouts = [rollout(version, previous, phase)]
    target = what_to_put_back(rollouts, production, None)
    if target is None:
        return
    while (following := taken_back(rollouts[0], model(production), model(target), HAND)) is not None:
        is_same = following.rollout_id == rollouts[0].rollout_id
        rollouts = [following, *rollouts[is_same:]]
    for there in {production, target}:
        assert what_to_put_back(rollouts, there, None) == target or there not in _known(rollouts[0])
        assert taken_back(rollouts[0], model(there), model(target), HAND) is None
    assert is_said(rollouts[0], target, production) or target == production


def _known(latest: Rollout) -> set[int]:
    return {latest.version, latest.previous_version, latest.put_back[0]}
