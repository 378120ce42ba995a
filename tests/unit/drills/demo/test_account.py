"""Where every row went, on the memory doubles."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Judged
from dissonance.contracts.ids import id_text
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.drills.demo.account import STILL_S, account, drained, look, reasons_by_window
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Accounting, ReasonCount
from dissonance.drills.demo.story import Span
from support.store import RowMaker
from support.updates import rollout_of, step_of


class Doubles(NamedTuple):
    store: MemoryStore
    bus: MemoryBus


class Case:
    """A task on doubles, with rows to put where a test wants them."""

    def __init__(self, name: str) -> None:
        self.make = RowMaker(name)
        self.task: Task = self.make.task()
        self.system = Doubles(MemoryStore(self.make.clock), MemoryBus(self.make.clock))
        self.now_s = 0.0
        self.progress = Progress(lambda: self.now_s, 0)

    async def create(self) -> None:
        await self.system.store.create(self.task, Policy(window_s=1))

    async def stored(self, rows: int, verdict: Verdict = Verdict.ADMITTED, reason: Reason = Reason.AGREED) -> list[str]:
        event = self.make.judged(self.task.task_id, rows, verdict=verdict, reason=reason)
        await self.system.store.record([event])
        return texts(event)

    async def dead(self, rows: int, *, stored_too: bool = False) -> list[str]:
        event = self.make.judged(self.task.task_id, rows)
        await self.system.bus.publish([event])
        async with self.system.bus.subscribe("learner", [EventKind.JUDGED]) as subscription:
            for delivery in await subscription.fetch(10, 0.0):
                await delivery.dead_letter("played")
        if stored_too:
            await self.system.store.record([event])
        return texts(event)

    async def account(self, ids: list[str]) -> Accounting:
        return await account(self.system, self.task.task_id, ids, self.progress, requests=1, retries=0)


def texts(event: Judged) -> list[str]:
    return [id_text(prediction_id) for prediction_id in event.prediction_ids]


def test_account_balances_when_every_row_is_admitted_blocked_or_in_a_dead_letter() -> None:
    async def scenario() -> Accounting:
        case = Case("balanced")
        await case.create()
        ids = await case.stored(5) + await case.stored(3, Verdict.BLOCKED, Reason.RANGE) + await case.dead(2)
        return await case.account(ids)

    result = asyncio.run(scenario())
    assert (result.acknowledged, result.admitted, result.blocked, result.dead_lettered) == (10, 5, 3, 2)
    assert result.balanced


def test_row_that_is_stored_and_in_a_dead_letter_counts_once() -> None:
    async def scenario() -> Accounting:
        case = Case("twice")
        await case.create()
        return await case.account(await case.dead(2, stored_too=True))

    result = asyncio.run(scenario())
    assert (result.admitted, result.dead_lettered, result.balanced) == (2, 0, True)


def test_acknowledged_row_that_is_nowhere_is_missing() -> None:
    async def scenario() -> Accounting:
        case = Case("missing")
        await case.create()
        ids = await case.stored(2)
        return await case.account([*ids, *texts(case.make.judged(case.task.task_id, 1))])

    result = asyncio.run(scenario())
    assert (result.missing, result.unexpected, result.balanced) == (1, 0, False)


def test_stored_row_that_nobody_was_promised_is_unexpected() -> None:
    async def scenario() -> Accounting:
        case = Case("unexpected")
        await case.create()
        ids = await case.stored(3)
        return await case.account(ids[:2])

    result = asyncio.run(scenario())
    assert (result.missing, result.unexpected, result.balanced) == (0, 1, False)


def test_wait_ends_at_once_when_everything_is_there_and_gives_up_when_nothing_moves() -> None:
    async def scenario(acknowledged: int) -> float:
        case = Case("drained")
        await case.create()
        await case.stored(3)
        case.progress.acknowledged = acknowledged

        async def sleep(seconds: float) -> None:
            case.now_s += seconds

        await drained(case.system, case.task.task_id, case.progress, sleep)
        assert case.progress.admitted == 3
        return case.now_s

    assert asyncio.run(scenario(3)) == 0.0
    assert STILL_S <= asyncio.run(scenario(4)) <= STILL_S + 1.0


def test_version_in_production_and_the_canary_beside_it_are_told_apart() -> None:
    async def scenario(*phases: RolloutPhase) -> tuple[int, int | None]:
        case = Case("canary")
        await case.create()
        for revision, phase in enumerate(phases, start=1):
            rollout = rollout_of(case.task.task_id, 4, phase, revision=revision)
            assert await case.system.store.save_rollout(rollout, step_of(rollout))
        case.progress.model_version = 1
        await look(case.system, case.task.task_id, case.progress)
        return case.progress.model_version, case.progress.canary_version

    assert asyncio.run(scenario()) == (1, None)
    assert asyncio.run(scenario(RolloutPhase.CANARY)) == (1, 4)
    assert asyncio.run(scenario(RolloutPhase.CANARY, RolloutPhase.ARMED)) == (4, None)
    assert asyncio.run(scenario(RolloutPhase.CANARY, RolloutPhase.ABANDONED)) == (1, None)


def test_verdicts_are_counted_by_window_and_reason() -> None:
    async def scenario() -> list[ReasonCount]:
        case = Case("reasons")
        await case.create()
        for times_us, reason, verdict in (
            ([1_200_000, 1_300_000, 2_000_000], Reason.AGREED, Verdict.ADMITTED),
            ([1_900_000], Reason.RANGE, Verdict.BLOCKED),
            ([9_000_000], Reason.AGREED, Verdict.ADMITTED),
        ):
            event = case.make.judged(
                case.task.task_id, len(times_us), event_times_us=times_us, reason=reason, verdict=verdict
            )
            await case.system.store.record([event])
        return await reasons_by_window(case.system, case.task.task_id, Span(0, 9_000_000), Policy(window_s=1))

    assert asyncio.run(scenario()) == [
        ReasonCount(1_000_000, "agreed", "admitted", 2),
        ReasonCount(1_000_000, "range", "blocked", 1),
        ReasonCount(2_000_000, "agreed", "admitted", 1),
    ]
