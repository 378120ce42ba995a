"""What walked through the roles is judged again from the chain that the gate left."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.contracts.verdicts import Reason
from dissonance.decisions.policy_changes import with_values
from dissonance.decisions.replaying import Replayed
from dissonance.errors import SealBroken, UnknownWindow
from dissonance.pipeline.replay import ALWAYS, Keeping, range_of_window, replay
from dissonance.ports.replays import ReplayRecord
from support.walk import TASK, Walk, row


async def walked() -> Walk:
    """Five dissonant rows (two are within the budget), one outlier, one out of range."""
    walk = await Walk.open(gap=0.2)
    await walk.predict([row(person=f"p{number}") for number in range(3)])
    await walk.pump()
    await walk.predict([row(person=f"q{number}") for number in range(2)])
    await walk.predict([row(x=9.0, person="far"), row(x=1.5, person="near", at="2020-01-02T00:00:00Z")])
    await walk.pump()
    return walk


def test_every_window_comes_out_as_it_was_recorded() -> None:
    async def scenario() -> list[Replayed]:
        walk = await walked()
        windows = await walk.store.windows(TASK.task_id)
        ranges = [ALWAYS, *[await range_of_window(walk.store, "toy", window.window_id) for window in windows]]
        return [(await replay(walk.store, "toy", inside, lambda policy: policy)).replayed for inside in ranges]

    whole, *windows = asyncio.run(scenario())
    assert (whole.rows, whole.differing, whole.unreadable) == (7, 0, 0)
    assert sorted(window.rows for window in windows) == [1, 6]
    assert all(window.differing == 0 for window in windows)


def test_another_policy_shows_what_would_have_been_different() -> None:
    async def scenario() -> Replayed:
        walk = await walked()
        done = await replay(walk.store, "toy", ALWAYS, lambda policy: with_values(policy, {"d_budget_per_hour": 4}))
        return done.replayed

    result = asyncio.run(scenario())
    assert result.transitions[Reason.BUDGET, Reason.WITHIN_BUDGET] == 2
    assert result.differing == 2


def test_replay_that_is_kept_lies_beside_the_verdicts_and_is_one_however_often_it_is_made() -> None:
    async def scenario() -> None:
        walk = await walked()
        store, changes = walk.store, {"d_budget_per_hour": 4}

        async def again(now_us: int) -> str | None:
            keeping = Keeping("as recorded, but d_budget_per_hour=4", now_us)
            done = await replay(store, "toy", ALWAYS, lambda policy: with_values(policy, changes), keep=keeping)
            return done.replay_id

        before = await store.evidence(TASK.task_id)
        first = await again(1)
        assert first is not None and await again(2) == first
        [record] = await store.replays(TASK.task_id)
        assert record == ReplayRecord(
            first, None, None, "as recorded, but d_budget_per_hour=4", len(before), rows=7, differing=2, made_at_us=1
        )
        kept = await store.replayed(TASK.task_id, first)
        assert {(each.recorded, each.replayed) for each in kept} == {(Reason.BUDGET, Reason.WITHIN_BUDGET)}
        judged = await store.judged(TASK.task_id, [each.prediction_id for each in kept])
        assert {reason for _, reason, _ in judged.values()} == {Reason.BUDGET} and len(judged) == 2
        assert await store.evidence(TASK.task_id) == before
        await walk.predict([row(person="later")])
        await walk.pump()
        assert await again(3) != first
        assert [each.made_at_us for each in await store.replays(TASK.task_id)] == [3, 1]

    asyncio.run(scenario())


def test_a_chain_that_was_changed_is_not_replayed() -> None:
    async def scenario() -> None:
        walk = await walked()
        chain = walk.store.rows_of(TASK.task_id).chain
        chain[0] = chain[0]._replace(evidence=b"other numbers")
        await replay(walk.store, "toy", ALWAYS, lambda policy: policy)

    with pytest.raises(SealBroken):
        asyncio.run(scenario())


def test_a_window_that_there_is_not_is_said_so() -> None:
    async def scenario() -> None:
        await range_of_window((await walked()).store, "toy", "nowhere")

    with pytest.raises(UnknownWindow, match="nowhere"):
        asyncio.run(scenario())
