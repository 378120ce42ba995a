"""The stream waits while anything is behind it, and goes on when all have caught up."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.policy import Policy
from dissonance.drills.demo.abreast import BEHIND, MOST_LABELS, MOST_MESSAGES, MOST_ROWS, Abreast
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.stream import Brake
from support.events import evaluated
from support.store import RowMaker, with_task


class Doubles(NamedTuple):
    store: MemoryStore
    bus: MemoryBus


class Debtors:
    def __init__(self, owed: int) -> None:
        self.owed = owed

    def overdue(self, now_us: int) -> int:
        return self.owed


def held(*, acknowledged: int = 0, sent: int = 0, owed: int = 0, messages: int = 0) -> bool:
    """Whether the stream is held after one look."""

    async def scenario() -> bool:
        make = RowMaker("abreast")
        system = Doubles(MemoryStore(make.clock), MemoryBus(make.clock))
        task_id = await with_task(system.store, make, Policy())
        await system.bus.publish([evaluated(number) for number in range(messages)])
        progress, brake = Progress(lambda: 0.0, 1), Brake()
        progress.acknowledged, progress.labels_sent = acknowledged, sent
        brake.hold(BEHIND)

        async def stop(seconds: float) -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await Abreast(system, task_id, Debtors(owed), progress, brake, stop).run()
        return bool(brake.held)

    return asyncio.run(scenario())


def test_stream_goes_on_while_all_are_abreast() -> None:
    assert not held()
    assert not held(acknowledged=MOST_ROWS, sent=MOST_LABELS, messages=MOST_MESSAGES)


@pytest.mark.parametrize(
    "behind",
    [
        {"acknowledged": MOST_ROWS + 1},
        {"sent": MOST_LABELS + 1},
        {"owed": MOST_LABELS + 1},
        {"messages": MOST_MESSAGES + 1},
    ],
)
def test_stream_is_held_while_rows_labels_people_or_windows_are_behind(behind: dict[str, int]) -> None:
    assert held(**behind)
