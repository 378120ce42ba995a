"""What went over the bus, counted from its streams: messages, rows, and how many of those differ."""

from __future__ import annotations

import asyncio

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.memory.bus import MemoryBus
from dissonance.contracts.topics import EventKind
from dissonance.drills.soak.counting import Passed, different, passed
from support.events import evaluated, joined


def test_a_row_that_went_by_in_two_messages_is_two_rows_of_one_prediction() -> None:
    async def story() -> Passed:
        bus = MemoryBus(SystemClock())
        await bus.publish([joined(1), joined(2, rows=5), evaluated(1)])
        return await passed(bus, EventKind.LABELS_JOINED, wait_s=0.01)

    assert asyncio.run(story()) == Passed(messages=2, rows=8, predictions=5)


def test_an_empty_stream_has_nothing() -> None:
    assert asyncio.run(passed(MemoryBus(SystemClock()), EventKind.JUDGED, wait_s=0.01)) == Passed(0, 0, 0)


def test_ids_are_told_apart_by_every_byte() -> None:
    assert different(b"".join(bytes(15) + bytes([last]) for last in range(200))) == 200
    assert different(bytes(16) * 3 + b"\x01" + bytes(15)) == 2
    assert different(b"") == 0
