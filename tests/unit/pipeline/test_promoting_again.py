"""A promotion that was saved and cut short is finished by the same call, which judges nothing again; real models."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from dissonance.cli.model_moves import promoted_answer, what_serves
from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import EngineUnavailable
from dissonance.errors_of_updates import RolloutUnderWay
from dissonance.pipeline.promoted import Promoted
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.verifying import verify_decisions
from dissonance.ports.registry import Alias
from support.knives import NEVER, Cut, Knife
from support.rollout_place import Place
from support.version_stories import critic_in_production, marked, settled
from support.workshop import Workshop


def writes_under(knife: Knife, work: Workshop) -> Workshop:
    """What a promotion changes is cut; what it only reads is not."""
    return work._replace(
        store=cast(Any, Cut(work.store, knife, ("save_rollout", "rollouts_told"))),
        registry=cast(Any, Cut(work.registry, knife, ("promote", "mark"))),
        bus=cast(Any, Cut(work.bus, knife, ("publish",))),
    )


def promoted(place: Place, *, canary: bool = False, knife: Knife | None = None) -> Promoted:
    work = place.work if knife is None else writes_under(knife, place.work)
    return asyncio.run(promote(work, "small", 3, by="ann", override="a test", canary=canary))


def looks(place: Place) -> int:
    return len(asyncio.run(place.work.store.updates(place.task.task_id)))


@pytest.mark.parametrize("after", [False, True], ids=["before it did anything", "after it did"])
@pytest.mark.parametrize("canary", [False, True])
def test_cut_short_anywhere_it_is_finished_by_the_same_call(*, canary: bool, after: bool) -> None:
    whole = Knife(NEVER, after=after)
    promoted(settled(), canary=canary, knife=whole)
    assert whole.calls >= 5
    for at in range(1, whole.calls + 1):
        place = settled()
        with pytest.raises(EngineUnavailable, match="cut short"):
            promoted(place, canary=canary, knife=Knife(at, after=after))
        latest = asyncio.run(place.work.store.rollout(place.task.task_id))
        is_saved = latest is not None and latest.version == 3
        decisions = place.decisions()
        done = promoted(place, canary=canary)
        assert done.version == 3
        assert (place.decisions() == decisions, looks(place) == 1) == (is_saved, is_saved), at
        serving = 2 if canary else 3
        assert (place.in_production(), critic_in_production(place)) == (serving, serving)
        assert (place.rollout().version, place.rollout().phase) == (3, done.phase)
        assert done.phase is (RolloutPhase.CANARY if canary else RolloutPhase.ARMED)
        assert (Alias.CANARY in marked(place)) is canary
        assert asyncio.run(verify_decisions(place.work, "small")).broken is None


@pytest.mark.parametrize(("canary", "option"), [(False, ""), (True, " --canary")])
def test_what_was_saved_is_said_with_the_way_to_go_on(*, canary: bool, option: str) -> None:
    place = settled()
    with pytest.raises(EngineUnavailable, match=r"version 3 of 'small' is saved as .*, and not all is done yet") as cut:
        promoted(place, canary=canary, knife=Knife(3, after=False))
    assert f"so does the same again: dissonance models promote small --version 3{option};" in cut.value.fix


def test_a_canary_that_runs_is_not_begun_again_and_the_same_call_says_so() -> None:
    place = settled()
    first = promoted(place, canary=True)
    again = promoted(place, canary=True)
    assert (first.changed, again.changed, again.phase) == (True, False, RolloutPhase.CANARY)
    assert what_serves(promoted_answer(again)) == (
        "Canary: version 3 answers a share of requests already, version 2 the others"
    )


def test_its_canary_is_not_skipped_and_it_is_told_that_it_is_the_same_one() -> None:
    place = settled()
    promoted(place, canary=True)
    with pytest.raises(RolloutUnderWay, match="version 3 of task small is under way already: a canary") as refused:
        promoted(place)
    assert refused.value.fix == (
        "wait until it goes live by itself (dissonance models updates small), or end it: "
        "dissonance models rollback small"
    )
    assert (place.in_production(), looks(place)) == (2, 1)


def test_where_the_policy_has_no_canary_it_is_promoted_at_once_and_so_it_is_told() -> None:
    place = settled()
    place.set_policy(canary_share=0.0)
    assert promoted(place, canary=True).phase is RolloutPhase.ARMED
    assert place.in_production() == 3
