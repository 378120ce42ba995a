"""Rollouts begin once and move on once; judgements are links of the chain."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import UnknownTask
from dissonance.ports.rollouts import Rollout, known_as, told_as
from dissonance.ports.store import Store
from support.store import NO_TASK, StoreCase, with_task
from support.updates import decision_of, judged_update, rollout_of, step_of


def moved(rollout: Rollout, phase: RolloutPhase) -> Rollout:
    return msgspec.structs.replace(rollout, phase=phase, revision=rollout.revision + 1)


async def save(store: Store, rollout: Rollout) -> bool:
    return await store.save_rollout(rollout, step_of(rollout))


def test_a_rollout_begins_only_while_no_other_is_live(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        assert await store.rollout(task_id) is None
        first, second = rollout_of(task_id, 2), rollout_of(task_id, 3)
        assert await save(store, first)
        assert not await save(store, first)
        assert not await save(store, second)
        assert await save(store, moved(first, RolloutPhase.ABANDONED))
        assert await save(store, second)
        assert await store.rollout(task_id) == second
        assert await store.rollouts(task_id) == [second, moved(first, RolloutPhase.ABANDONED)]
        causes = [kept.decision.cause for kept in await store.decisions(task_id)]
        assert causes == [f"{second.rollout_id}-1", f"{first.rollout_id}-2", f"{first.rollout_id}-1"]
        assert await store.verify_chain(task_id) == len(causes)

    case.tell(story)


def test_a_rollout_that_is_over_as_it_begins_is_not_put_beside_a_live_one(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        live, over = rollout_of(task_id, 2), rollout_of(task_id, 3)
        over = msgspec.structs.replace(over, phase=RolloutPhase.ROLLED_BACK, back_to=1, back_digest="1" * 64)
        assert await save(store, live)
        assert not await save(store, over)
        assert await save(store, moved(live, RolloutPhase.SETTLED))
        assert await save(store, over)
        assert not await save(store, over)
        assert await store.rollout(task_id) == over

    case.tell(story)


def test_a_rollout_begins_only_after_the_newest_that_was_known(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first, second = rollout_of(task_id, 2), rollout_of(task_id, 3)
        over = moved(first, RolloutPhase.SETTLED)
        assert not await store.save_rollout(first, step_of(first), known_as(second))
        assert await store.save_rollout(first, step_of(first), known_as(None))
        assert await save(store, over)
        for known in (None, first):
            assert not await store.save_rollout(second, step_of(second), known_as(known))
        assert await store.save_rollout(second, step_of(second), known_as(over))

    case.tell(story)


def test_rollouts_under_way_are_found_without_knowing_their_tasks(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)

        async def live() -> list[Rollout]:
            return [each for each in await store.live_rollouts() if each.task_id == task_id]

        canary = rollout_of(task_id, 2)
        armed = moved(canary, RolloutPhase.ARMED)
        assert await live() == []
        assert await save(store, canary)
        assert await live() == [canary]
        assert await save(store, armed)
        assert await live() == [armed]
        assert await save(store, moved(armed, RolloutPhase.SETTLED))
        assert await live() == []

    case.tell(story)


def test_what_was_saved_is_untold_until_it_is_said_to_be_told(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        now_us = case.make.clock.now_us()

        async def untold(before_us: int = now_us + 1) -> list[Rollout]:
            return [each for each in await store.untold_rollouts(before_us) if each.task_id == task_id]

        canary = rollout_of(task_id, 2)
        armed = moved(canary, RolloutPhase.ARMED)
        assert await save(store, canary)
        assert not await save(store, rollout_of(task_id, 3)), "nothing is told of what was not saved"
        assert await save(store, armed)
        assert await untold() == [canary, armed]
        assert await untold(now_us) == []
        await store.rollouts_told(task_id, [told_as(canary), "of nothing"])
        assert await untold() == [armed]
        await store.rollouts_told(NO_TASK, [told_as(armed)])
        assert await untold() == [armed]
        await store.rollouts_told(task_id, [told_as(armed)])
        assert await untold() == []

    case.tell(story)


def test_of_two_replicas_one_moves_a_rollout_on(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        began = await asyncio.gather(*(save(store, rollout_of(task_id, 2)) for store in (one, two)))
        assert sorted(began) == [False, True]
        armed = moved(rollout_of(task_id, 2), RolloutPhase.ARMED)
        abandoned = moved(rollout_of(task_id, 2), RolloutPhase.ABANDONED)
        outcome = await asyncio.gather(save(one, armed), save(two, abandoned))
        assert sorted(outcome) == [False, True]
        assert await one.rollout(task_id) in (armed, abandoned)

    case.tell_of_two(story)


def test_rollout_of_a_task_that_is_not_there_is_refused(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(UnknownTask):
            await save(store, rollout_of(NO_TASK, 2))
        with pytest.raises(UnknownTask):
            await store.record_update(judged_update(NO_TASK), decision_of(NO_TASK, "one"))

    case.tell(story)


def test_a_judgement_is_one_link_of_the_chain_however_often_it_is_recorded(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id)
        await store.record_verdicts(task_id, case.make.verdict_rows(event), {})
        first, second = judged_update(task_id, event_id="one"), judged_update(task_id, event_id="two")
        one, two = (decision_of(task_id, cause, DecisionKind.ACCEPTED) for cause in ("one", "two"))
        assert await store.record_update(first, one) == 2
        assert await store.record_update(second, two) == 3
        assert await store.record_update(first, one) == 2
        assert await store.updates(task_id) == [second, first]
        assert await store.updates(task_id, 1) == [second]
        assert await store.verify_chain(task_id) == 3
        assert await store.evidence(task_id, 1) == [(2, b"one"), (3, b"two")]
        assert await store.evidence(task_id, 0, 1) == [(1, b"numbers")]

    case.tell(story)
