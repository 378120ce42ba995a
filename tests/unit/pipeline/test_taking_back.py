"""Taking a model back by hand, cut short at every step, repeated, and by two at once, with real models."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, cast

import pytest

from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import EngineUnavailable, GateRefused, ModelMoved, NothingBefore
from dissonance.pipeline.promoted import Promoted
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.rollouts import Rollouts, begin
from dissonance.pipeline.taking_back import rollback
from dissonance.pipeline.verifying import verify_decisions
from dissonance.ports.bus import Heard
from dissonance.ports.registry import Alias, ModelRole
from support.copies import made_once
from support.rollout_place import Place, new_place
from support.workshop import Workshop

NEVER = 10_000


class Knife:
    """Cuts at the call of this number, before it does anything or after it did."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.calls = 0
        self._at = at
        self._after = after
        self._lock = threading.Lock()

    def begin(self) -> int:
        with self._lock:
            self.calls += 1
            number = self.calls
        self._cut(number, after=False)
        return number

    def end(self, number: int) -> None:
        self._cut(number, after=True)

    def _cut(self, number: int, *, after: bool) -> None:
        if number == self._at and after is self._after:
            raise EngineUnavailable("cut short", where="a test", fix="ask again")


class Cut:
    """A port each of whose calls the knife sees."""

    def __init__(self, port: Any, knife: Knife, names: tuple[str, ...]) -> None:
        self._port = port
        self._knife = knife
        self._names = names

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._port, name)
        if name not in self._names:
            return called
        return self._awaited(called) if iscoroutinefunction(called) else self._blocking(called)

    def _awaited(self, called: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*given: Any, **named: Any) -> Any:
            number = self._knife.begin()
            found = await called(*given, **named)
            self._knife.end(number)
            return found

        return call

    def _blocking(self, called: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            number = self._knife.begin()
            found = called(*given, **named)
            self._knife.end(number)
            return found

        return call


STORE = ("by_name", "rollouts", "rollout", "policy", "save_rollout", "rollouts_told", "decisions", "decision_of")
REGISTRY = ("production", "version", "versions", "artefact", "promote", "mark")


def under(knife: Knife, work: Workshop) -> Workshop:
    return work._replace(
        store=cast(Any, Cut(work.store, knife, STORE)),
        registry=cast(Any, Cut(work.registry, knife, REGISTRY)),
        bus=cast(Any, Cut(work.bus, knife, ("publish",))),
    )


@pytest.fixture
def place() -> Place:
    return new_place()


@made_once
def three_versions() -> Place:
    """Version 2 has settled in production, 3 is a candidate."""
    place = new_place()
    place.begin(at_once=True)
    place.traffic(1, after_s=6_000)
    place.advance()
    asyncio.run(retrain(place.work, "small"))
    assert (place.in_production(), place.rollout().phase) == (2, RolloutPhase.SETTLED)
    return place


def taken_back(place: Place, to: int | None = None, by: str = "ann") -> Promoted:
    return asyncio.run(rollback(place.work, "small", to, by=by))


def settled() -> Place:
    return three_versions()


@made_once
def settled_third() -> Place:
    """Each of three versions was in production, the third is."""
    place = three_versions()
    place.begin("three", versions=(3, 2), at_once=True)
    place.traffic(1, 6, after_s=6_000)
    place.advance()
    assert (place.in_production(), place.rollout().phase) == (3, RolloutPhase.SETTLED)
    return place


def third() -> Place:
    return settled_third()


def watched() -> Place:
    place = three_versions()
    place.begin("three", versions=(3, 2), at_once=True)
    return place


def canary() -> Place:
    place = three_versions()
    place.begin("three", versions=(3, 2))
    return place


def critic_in_production(place: Place) -> int | None:
    """Whose it is."""
    return place.work.registry.production(place.task.task_id, ModelRole.CRITIC).parent


def marked(place: Place) -> list[Alias | None]:
    versions = place.work.registry.versions(place.task.task_id, ModelRole.PROPOSER)
    return [version.alias for version in versions if version.alias is not None]


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


def test_the_first_version_replaced_none_and_the_way_to_name_one_is_said(place: Place) -> None:
    with pytest.raises(NothingBefore, match="version 1 of task small is the first: it replaced no other"):
        taken_back(place)


class Between:
    """A registry at which, before the first call of this name and role, somebody else does something."""

    def __init__(self, registry: Any, name: str, role: ModelRole, action: Callable[[], object]) -> None:
        self._registry = registry
        self._name = name
        self._role = role
        self._action: Callable[[], object] | None = action

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._registry, name)
        if name != self._name:
            return called

        def call(*given: Any) -> Any:
            action = self._action
            if action is not None and (self._role in given or getattr(given[0], "role", None) is self._role):
                self._action = None
                action()
            return called(*given)

        return call


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
    with pytest.raises(GateRefused, match="judged against version 2, and version 1"):
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
    with pytest.raises(GateRefused, match="judged against version 3, and version 1"):
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
    with pytest.raises(GateRefused, match="version 3 of task small never was in production"):
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


def test_of_a_canary_that_ended_and_no_more_no_more_is_promised() -> None:
    place = canary()

    def away() -> None:
        raise EngineUnavailable("away", where="a test", fix="ask again")

    with pytest.raises(EngineUnavailable, match="the end of the canary of 'small' is saved") as raised:
        asyncio.run(rollback(between(place, "mark", ModelRole.PROPOSER, away), "small", 1, by="ann"))
    assert raised.value.fix == "the same again does the rest: dissonance models rollback small --to 1"
