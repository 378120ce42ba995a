"""Replicas are asked until all of them follow; who does not is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec

from dissonance.contracts.schema import Task
from dissonance.contracts.standings import NAMELESS, NOT_LOADED, SERVING, Standing
from dissonance.pipeline.confirming import Confirmed, confirm, roll_call
from support.walk import TASK
from support.workshop import Workshop, workshop

NOW_S = 0.0
"""The clock of the doubles stands still, so a limit of nothing is one look."""


class Replica:
    """Follows to version 1 after it was asked so many times; None: never."""

    def __init__(self, name: str, follows_after: int | None = 0, before: int = 2) -> None:
        self.name, self.left, self.before = name, follows_after, before

    def answer(self, asked: bytes) -> bytes | None:
        version = 1 if self.left == 0 else self.before
        if self.left:
            self.left -= 1
        return msgspec.msgpack.encode(Standing(self.name, TASK.task_id, version, "a" * 64))


def asked(work: Workshop, replicas: list[Replica], known: list[str], limit_s: float) -> Confirmed:
    async def run() -> Confirmed:
        async with AsyncExitStack() as stack:
            for each in replicas:
                await stack.enter_async_context(work.bus.answering(SERVING, each.answer))
            return await confirm(work, TASK, 1, known, limit_s)

    return asyncio.run(run())


def test_it_asks_again_until_the_slowest_follows() -> None:
    slow = Replica("slow", follows_after=3)
    found = asked(workshop(), [Replica("quick"), slow], ["quick", "slow"], 60.0)
    assert (found.confirmed, found.missing) == (("quick", "slow"), ())
    assert slow.left == 0


def test_who_does_not_follow_and_who_fell_silent_are_named() -> None:
    found = asked(workshop(), [Replica("quick"), Replica("stuck", None)], ["quick", "stuck", "silent"], NOW_S)
    assert (found.confirmed, found.missing) == (("quick",), ("silent", "stuck"))


def test_a_replica_that_was_not_at_the_roll_call_counts_once_it_answers() -> None:
    found = asked(workshop(), [Replica("known"), Replica("new", None)], ["known"], NOW_S)
    assert found.missing == ("new",)


def test_a_replica_that_has_not_loaded_the_model_will_read_the_right_one() -> None:
    found = asked(workshop(), [Replica("idle", None, before=NOT_LOADED)], ["idle"], NOW_S)
    assert found.confirmed == ("idle",)


class Hung(Replica):
    """Listens and says nothing, until it was asked `follows_after` times."""

    def answer(self, asked: bytes) -> bytes | None:
        said = super().answer(asked)
        return said if self.left == 0 else None


def test_the_only_replica_hangs_and_is_not_taken_for_nobody() -> None:
    found = asked(workshop(), [Hung("silent", None)], [], NOW_S)
    assert (found.confirmed, found.missing) == ((), (NAMELESS,))


def test_the_only_replica_hung_for_a_while_and_is_asked_again_until_it_says_who_it_is() -> None:
    found = asked(workshop(), [Hung("slow", follows_after=3)], [], 60.0)
    assert (found.confirmed, found.missing) == (("slow",), ())


def test_where_there_is_no_replica_nobody_is_missing() -> None:
    assert asked(workshop(), [], [], 60.0)[:2] == ((), ())


def test_the_roll_call_hears_everybody() -> None:
    async def run(work: Workshop, task: Task, answer: Callable[[bytes], bytes | None]) -> list[str]:
        async with work.bus.answering(SERVING, answer), work.bus.answering(SERVING, Replica("other").answer):
            return sorted(await roll_call(work, task))

    assert asyncio.run(run(workshop(), TASK, Replica("one").answer)) == ["one", "other"]
