"""Promoting and taking back while somebody else does, with real models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import EngineUnavailable, ModelMoved
from dissonance.errors_of_updates import CoolingOff, JudgementOutdated, NeverInProduction, RolloutUnderWay
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.rollouts import Rollouts, begin
from dissonance.pipeline.taking_back import rollback
from dissonance.ports.registry import Alias, ModelRole
from support.knives import Between
from support.rollout_place import Place, new_place
from support.version_stories import canary, critic_in_production, marked, settled, taken_back, third, watched
from support.workshop import Workshop


@pytest.fixture
def place() -> Place:
    return new_place()


def between(place: Place, name: str, role: ModelRole, action: Callable[[], object]) -> Workshop:
    return place.work._replace(registry=cast(Any, Between(place.work.registry, name, role, action)))


def test_what_is_promoted_again_stays_taken_back_by_who_was_between() -> None:
    place = watched()
    work = between(place, "promote", ModelRole.PROPOSER, lambda: taken_back(place, by="bob"))
    with pytest.raises(ModelMoved, match="version 2 was put into production meanwhile, by bob"):
        asyncio.run(promote(work, "small", 3, by="ann"))
    assert (place.in_production(), critic_in_production(place)) == (2, 2)


def test_the_critic_follows_who_came_between_the_proposers_move_and_its_own() -> None:
    place = third()
    work = between(place, "promote", ModelRole.CRITIC, lambda: taken_back(place, 2, by="bob"))
    with pytest.raises(ModelMoved):
        asyncio.run(rollback(work, "small", 1, by="ann"))
    assert (place.in_production(), critic_in_production(place)) == (2, 2)


def test_a_canary_that_is_ended_while_it_is_marked_is_marked_no_more() -> None:
    place = settled()
    work = between(place, "mark", ModelRole.PROPOSER, lambda: taken_back(place, by="bob"))
    asyncio.run(begin(work, place.task, place.version(3), place.version(2), cause="c", by="ann", reason="a test"))
    assert (place.rollout().phase, Alias.CANARY in marked(place)) == (RolloutPhase.ABANDONED, False)


def test_what_was_judged_against_a_version_that_was_taken_back_meanwhile_does_not_begin() -> None:
    place = settled()
    taken_back(place)
    with pytest.raises(JudgementOutdated, match="judged against version 2, and version 1"):
        place.begin("late", versions=(3, 2), at_once=True)
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ROLLED_BACK)


def cut_before_its_alias_moves(place: Place, to: int) -> None:
    def away() -> None:
        raise EngineUnavailable("away", where="a test", fix="ask again")

    with pytest.raises(EngineUnavailable):
        asyncio.run(rollback(between(place, "promote", ModelRole.PROPOSER, away), "small", to, by="ann"))
    assert place.rollout().put_back[0] == to != place.in_production()


def test_nor_where_a_rollback_is_saved_and_its_alias_has_not_moved() -> None:
    place = third()
    cut_before_its_alias_moves(place, 1)
    with pytest.raises(JudgementOutdated, match="judged against version 3, and version 1"):
        place.begin("late", versions=(2, 3), at_once=True)


def test_the_later_word_that_what_serves_shall_stay_stands_against_a_move_that_was_cut_short() -> None:
    place = third()
    cut_before_its_alias_moves(place, 1)
    assert taken_back(place, 3, by="bob").version == 3
    place.work.clock.advance(10)
    place.advance()
    assert (place.in_production(), place.rollout().put_back[0], place.rollout().by) == (3, 3, "bob")


def test_what_never_was_in_production_goes_there_by_the_gate_alone() -> None:
    place = settled()
    with pytest.raises(NeverInProduction, match="version 3 of task small never was in production"):
        taken_back(place, 3)
    assert place.in_production() == 2


def test_naming_what_is_watched_leaves_it_under_watch() -> None:
    place = watched()
    assert taken_back(place, 3).version == 3
    assert place.rollout().phase is RolloutPhase.ARMED
    assert taken_back(place).version == 2


def test_a_canary_that_the_gate_has_just_ended_takes_nothing_with_it() -> None:
    place = canary()
    place.paired(60, 1, (False, True), versions=(3, 2))
    place.advance()
    assert (place.rollout().phase, place.rollout().by) == (RolloutPhase.ABANDONED, "gate")
    assert taken_back(place).version == 2


def test_the_gate_takes_nothing_back_for_a_version_that_is_damaged(place: Place) -> None:
    place.begin(at_once=True, by="ann")
    place.paired(60, 1, (False, True))
    damaged = place.work._replace(registry=cast(Any, Damaged(place.work.registry, 1)))
    assert asyncio.run(Rollouts(damaged).advance(place.task.task_id)) == []
    assert (place.in_production(), place.rollout().phase) == (2, RolloutPhase.ARMED)
    place.advance()
    assert (place.in_production(), place.rollout().phase, place.rollout().by) == (1, RolloutPhase.ROLLED_BACK, "gate")


class Damaged:
    def __init__(self, registry: Any, version: int) -> None:
        self._registry = registry
        self._version = version

    def artefact(self, task_id: str, role: ModelRole, version: int) -> bytes:
        content = bytes(self._registry.artefact(task_id, role, version))
        return content[:-1] + bytes([content[-1] ^ 1]) if version == self._version else content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)


def looks(place: Place) -> int:
    return len(asyncio.run(place.work.store.updates(place.task.task_id)))


@pytest.mark.parametrize("canary", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_what_may_not_go_live_now_is_not_judged_either_and_waits_as_a_candidate(
    place: Place, canary: bool, at_once: bool
) -> None:
    place.begin(at_once=at_once)
    asyncio.run(retrain(place.work, "small"))
    decisions = place.decisions()
    with pytest.raises(RolloutUnderWay, match="version 2 of task small is under way"):
        asyncio.run(promote(place.work, "small", 3, by="ann", canary=canary))
    assert (place.decisions(), looks(place)) == (decisions, 0)
    assert place.version(3).alias is Alias.CANDIDATE


def test_a_canary_by_hand_is_not_judged_while_the_task_cools_off(place: Place) -> None:
    place.begin(at_once=True)
    taken_back(place)
    decisions = place.decisions()
    with pytest.raises(CoolingOff, match=r"cools off until .* 16 minutes 40 seconds after version 2"):
        asyncio.run(promote(place.work, "small", 2, by="ann", canary=True))
    assert (place.decisions(), looks(place)) == (decisions, 0)


def test_who_comes_between_while_a_version_is_judged_stops_it_at_saving() -> None:
    place = settled()
    place.set_policy(KL_eps=1.0)
    begin_other = partial(place.begin, "between", versions=(1, 2), at_once=True)
    work = between(place, "artefact", ModelRole.CRITIC, begin_other)
    with pytest.raises(RolloutUnderWay, match="version 1 of task small is under way"):
        asyncio.run(promote(work, "small", 3, by="ann", override="a test"))
    assert (place.in_production(), looks(place)) == (1, 1)


def test_what_is_in_production_is_promoted_again_while_it_is_watched(place: Place) -> None:
    place.begin(at_once=True)
    done = asyncio.run(promote(place.work, "small", 2, by="ann"))
    assert (done.phase, done.changed, looks(place)) == (RolloutPhase.ARMED, False, 0)


def test_of_a_canary_that_ended_and_no_more_no_more_is_promised() -> None:
    place = canary()

    def away() -> None:
        raise EngineUnavailable("away", where="a test", fix="ask again")

    with pytest.raises(EngineUnavailable, match="the end of the canary of 'small' is saved") as raised:
        asyncio.run(rollback(between(place, "mark", ModelRole.PROPOSER, away), "small", 1, by="ann"))
    assert raised.value.fix == "the same again does the rest: dissonance models rollback small --to 1"
