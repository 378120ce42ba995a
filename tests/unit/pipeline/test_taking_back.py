"""Taking a model back by hand, cut short at every step, repeated, and by two at once, with real models."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import EngineUnavailable, ModelMoved, ModelNotFound, NothingBefore
from dissonance.pipeline.promoted import Promoted
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.taking_back import rollback
from dissonance.pipeline.verifying import verify_decisions
from dissonance.ports.bus import Heard
from dissonance.ports.registry import Alias, ModelRole
from support.knives import NEVER, Knife, under
from support.rollout_place import Place, new_place
from support.version_stories import canary, critic_in_production, marked, settled, taken_back, third, watched


@pytest.fixture
def place() -> Place:
    return new_place()


def test_rolling_back_by_hand_ends_what_is_under_way(place: Place) -> None:
    place.begin(at_once=True)
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ROLLED_BACK)


def test_rolling_back_what_no_rollout_put_there_goes_to_what_it_was_trained_to_replace(place: Place) -> None:
    place.begin(at_once=True)
    place.learn_wrongly()
    asyncio.run(retrain(place.work, "small"))
    for role in ModelRole:
        place.work.registry.promote(place.work.registry.version(place.task.task_id, role, 3))
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert place.in_production() == 2


def test_rolling_back_during_a_canary_ends_the_canary_and_leaves_production(place: Place) -> None:
    place.begin()
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ABANDONED)


def test_a_version_that_was_taken_back_stays_when_a_person_puts_it_there_again(place: Place) -> None:
    place.begin(at_once=True)
    asyncio.run(rollback(place.work, "small", by="ann"))
    assert (place.in_production(), place.rollout().phase) == (1, RolloutPhase.ROLLED_BACK)
    asyncio.run(rollback(place.work, "small", 2, by="ann"))
    assert (place.advance(), place.in_production()) == ([], 2)


SITUATIONS = [
    pytest.param(settled, None, 1, id="what has settled"),
    pytest.param(third, 1, 1, id="what has settled, to a named version"),
    pytest.param(watched, None, 2, id="what is watched"),
    pytest.param(watched, 1, 1, id="what is watched, to a named version"),
    pytest.param(canary, None, 2, id="a canary"),
    pytest.param(canary, 1, 1, id="a canary, to a named version"),
]


@pytest.mark.parametrize(("situation", "to", "target"), SITUATIONS)
def test_the_same_command_again_changes_nothing(situation: Callable[[], Place], to: int | None, target: int) -> None:
    place = situation()
    assert taken_back(place, to).version == target
    decisions = place.decisions()
    again = taken_back(place, to, by="bob")
    assert (again.version, again.previous_version, place.in_production()) == (target, target, target)
    assert taken_back(place).version == target
    assert place.decisions() == decisions
    assert asyncio.run(verify_decisions(place.work, "small")).broken is None


@pytest.mark.parametrize("after", [False, True], ids=["before it did anything", "after it did"])
@pytest.mark.parametrize(("situation", "to", "target"), SITUATIONS)
def test_cut_short_at_any_call_it_is_finished_by_the_same_command_or_by_the_gate(
    situation: Callable[[], Place], to: int | None, target: int, *, after: bool
) -> None:
    whole = Knife(NEVER, after=after)
    asyncio.run(rollback(under(whole, situation().work), "small", to, by="ann"))
    assert whole.calls > 10
    for at in range(1, whole.calls + 1):
        repeated, finished = situation(), situation()
        was = repeated.in_production()
        for place in (repeated, finished):
            with pytest.raises(EngineUnavailable, match="cut short"):
                asyncio.run(rollback(under(Knife(at, after=after), place.work), "small", to, by="ann"))
        assert taken_back(repeated, to).version == target
        assert (repeated.in_production(), critic_in_production(repeated)) == (target, target)
        assert Alias.CANARY not in marked(repeated)

        finished.work.clock.advance(10)
        finished.advance()
        is_saved = finished.rollout().by == "ann" and finished.rollout().put_back[0] == target
        wanted = target if is_saved else was
        assert (finished.in_production(), critic_in_production(finished)) == (wanted, wanted), at
        assert (Alias.CANARY in marked(finished)) is (finished.rollout().phase is RolloutPhase.CANARY), at


def test_what_was_saved_when_it_was_cut_short_is_said_with_the_way_to_go_on(place: Place) -> None:
    place.begin(at_once=True)
    place.work.bus.available = False
    with pytest.raises(EngineUnavailable) as raised:
        asyncio.run(rollback(place.work._replace(bus=cast(Any, AskedOnly(place.work.bus))), "small", by="ann"))
    assert "the rollback of 'small' is saved, and not done yet" in raised.value.what
    assert "dissonance models rollback small" in raised.value.fix


class AskedOnly:
    """A broker that goes away between the roll call and the events."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    async def ask(self, *_given: Any, **_named: Any) -> Heard:
        return Heard([], listened=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)


@pytest.mark.parametrize("situation", [settled, watched, canary])
def test_two_people_at_once_go_back_once(situation: Callable[[], Place]) -> None:
    alone, place = situation(), situation()
    target = taken_back(alone).version

    async def both() -> None:
        await asyncio.gather(*(rollback(place.work, "small", by=name) for name in ("ann", "bob")))

    asyncio.run(both())
    assert place.in_production() == target
    assert place.decisions() == alone.decisions()


def test_of_two_people_who_name_different_versions_the_later_word_stands() -> None:
    place = third()

    async def both() -> list[Promoted | BaseException]:
        moves = (rollback(place.work, "small", to, by=name) for to, name in ((1, "ann"), (2, "bob")))
        return await asyncio.gather(*moves, return_exceptions=True)

    done = asyncio.run(both())
    assert all(isinstance(each, Promoted | ModelMoved) for each in done), done
    assert place.in_production() == place.rollout().put_back[0]
    assert asyncio.run(verify_decisions(place.work, "small")).broken is None


def test_who_takes_back_a_promotion_before_its_alias_has_moved_wins() -> None:
    place = settled()

    async def both() -> list[Promoted | BaseException]:
        promoted = promote(place.work._replace(registry=cast(Any, slow)), "small", 3, by="ann", override="a test")
        return await asyncio.gather(promoted, back(), return_exceptions=True)

    async def back() -> Promoted:
        while (latest := await place.work.store.rollout(place.task.task_id)) is None or latest.version != 3:
            await asyncio.sleep(0)
        done = await rollback(place.work, "small", by="bob")
        slow.go_on.set()
        return done

    slow = Waits(place.work.registry)
    promoted, done = asyncio.run(both())
    assert isinstance(promoted, ModelMoved)
    assert isinstance(done, Promoted) and done.version == 2
    assert (place.in_production(), place.rollout().phase) == (2, RolloutPhase.ROLLED_BACK)
    assert critic_in_production(place) == 2


class Waits:
    """A registry whose aliases move late."""

    def __init__(self, registry: Any) -> None:
        self.go_on = threading.Event()
        self._registry = registry

    def promote(self, *given: Any) -> None:
        assert self.go_on.wait(30)
        self._registry.promote(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)


def test_a_version_that_is_not_there_is_answered_with_those_there_are(place: Place) -> None:
    with pytest.raises(ModelNotFound) as raised:
        taken_back(place, 9)
    assert raised.value.fix == "the versions are 1, 2"


def test_the_first_version_replaced_none_and_the_way_to_name_one_is_said(place: Place) -> None:
    with pytest.raises(NothingBefore, match="version 1 of task small is the first: it replaced no other"):
        taken_back(place)
