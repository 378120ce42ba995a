"""Gates that judge at the same time: the slower one reads again, and decides again on what it then sees."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from dissonance.contracts.events import Event, Judged
from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import EngineUnavailable
from dissonance.ports.store import VerdictRows
from dissonance.roles.gate.handle import TRIES, Gate, JudgesRows
from support.walk import POLICY, TASK, Walk, row

HOUR = 1_577_836_800 // 3600  # of `row`


class Outrun:
    """A store to which, before each of the first `times` records, somebody else writes."""

    def __init__(self, store: JudgesRows, somebody: Callable[[], Awaitable[object]], times: int) -> None:
        self._store = store
        self._somebody = somebody
        self._times = times
        self.tries = 0

    async def judged(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, tuple[Verdict, Reason, int]]:
        return await self._store.judged(task_id, prediction_ids)

    async def budget_spent(self, task_id: str, hours: Sequence[int]) -> dict[int, int]:
        return await self._store.budget_spent(task_id, hours)

    async def record_verdicts(self, task_id: str, rows: VerdictRows, expected_spent: Mapping[int, int]) -> bool:
        self.tries += 1
        if self.tries <= self._times:
            await self._somebody()
        return await self._store.record_verdicts(task_id, rows, expected_spent)

    async def rows_per_hour(
        self, task_id: str, data_subjects: Sequence[bytes], hours: Sequence[int]
    ) -> dict[tuple[bytes, int], int]:
        return await self._store.rows_per_hour(task_id, data_subjects, hours)

    async def evidence(self, task_id: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        return await self._store.evidence(task_id, after, limit)

    async def verify_chain(self, task_id: str) -> int:
        return await self._store.verify_chain(task_id)


def gate_of(walk: Walk, store: JudgesRows) -> Gate:
    return Gate(walk.catalogue, store, walk.keys, walk.clock)


async def contradicted(walk: Walk, count: int) -> list[Event]:
    """Rows that were answered and doubted."""
    await walk.predict([row(person=f"p{number}") for number in range(count)])
    critic = walk.at_work["critic"].work[0]
    return await critic.handle(await walk.deliver("critic", critic.kinds))


def reasons(events: Sequence[Event]) -> list[Reason]:
    return [reason for event in events if isinstance(event, Judged) for reason in event.reasons]


def told(story: Callable[[Walk], Awaitable[None]], gap: float = 0.2) -> None:
    async def run() -> None:
        await story(await Walk.open(gap))

    asyncio.run(run())


def test_verdicts_of_a_replica_that_was_faster_are_taken_over() -> None:
    async def story(walk: Walk) -> None:
        events = await contradicted(walk, 2)
        faster: list[Event] = []

        async def judge() -> None:
            faster.extend(await gate_of(walk, walk.store).handle(events))

        outrun = Outrun(walk.store, judge, times=1)
        slower = await gate_of(walk, outrun).handle(events)
        assert outrun.tries == 1
        assert [event.event_id for event in slower] == [event.event_id for event in faster]
        assert reasons(slower) == reasons(faster) == [Reason.WITHIN_BUDGET] * 2
        assert await walk.store.budget_spent(TASK.task_id, [HOUR]) == {HOUR: 2}
        assert await walk.store.verify_chain(TASK.task_id) == 1

    told(story)


def test_a_budget_that_another_replica_spent_meanwhile_is_not_spent_twice() -> None:
    async def story(walk: Walk) -> None:
        others, ours = await contradicted(walk, 1), await contradicted(walk, 2)
        outrun = Outrun(walk.store, lambda: gate_of(walk, walk.store).handle(others), times=1)
        judged = await gate_of(walk, outrun).handle(ours)
        assert outrun.tries == 2
        assert reasons(judged) == [Reason.WITHIN_BUDGET, Reason.BUDGET]
        assert await walk.store.budget_spent(TASK.task_id, [HOUR]) == {HOUR: POLICY.d_budget_per_hour}

    told(story)


def test_a_gate_that_is_always_outrun_hands_the_message_back_and_records_nothing() -> None:
    class NeverFirst(Outrun):
        async def record_verdicts(self, task_id: str, rows: VerdictRows, expected_spent: Mapping[int, int]) -> bool:
            self.tries += 1
            return False

    async def story(walk: Walk) -> None:
        outrun = NeverFirst(walk.store, walk.pump, times=0)
        with pytest.raises(EngineUnavailable, match=f"faster {TRIES} times"):
            await gate_of(walk, outrun).handle(await contradicted(walk, 1))
        assert outrun.tries == TRIES
        assert await walk.store.verify_chain(TASK.task_id) == 0

    told(story)


def test_rows_judged_under_an_earlier_policy_keep_its_version_and_new_ones_get_the_new_one() -> None:
    async def story(walk: Walk) -> None:
        gate = gate_of(walk, walk.store)
        old = await contradicted(walk, 1)
        await gate.handle(old)
        await walk.store.set_policy(TASK.task_id, Policy(version=2, max_dissonance=0.1), reason="r", by="b")
        await walk.catalogue.refresh_all()
        new = await contradicted(walk, 1)
        judged = [event for event in await gate.handle([*old, *new]) if isinstance(event, Judged)]
        assert [(event.policy_version, event.reasons) for event in judged] == [
            (1, [Reason.WITHIN_BUDGET]),
            (2, [Reason.DISSONANCE]),
        ]
        assert len({event.event_id for event in judged}) == 2

    told(story)
