"""What walked through the roles is judged again from the chain that the gate left."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.contracts.verdicts import Reason
from dissonance.decisions.policy_changes import with_values
from dissonance.decisions.replaying import Replayed
from dissonance.errors import SealBroken, UnknownWindow
from dissonance.pipeline.replay import ALWAYS, range_of_window, replay
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
