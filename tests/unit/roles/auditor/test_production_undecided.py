"""The version in production beside the one that was decided."""

from __future__ import annotations

import asyncio

from dissonance.contracts.updates import RolloutPhase
from support.audited import Audited
from support.pairs import TASK
from support.updates import rollout_of, step_of


def test_a_move_that_was_saved_a_moment_ago_is_on_its_way_and_no_finding() -> None:
    async def story() -> None:
        here = await Audited.open()
        armed = rollout_of(TASK.task_id, 2, RolloutPhase.ARMED)
        await here.store.save_rollout(armed, step_of(armed))
        here.clock.advance(1)
        assert [each for each in await here.audit() if each.code == "production-undecided"] == []

    asyncio.run(story())
