"""What JetStream says of its own streams is what was published, and what no consumer has acknowledged yet."""

from __future__ import annotations

import asyncio

from dissonance.adapters.nats.state import open_states
from dissonance.contracts.topics import EventKind
from dissonance.drills.soak.counting import Passed, passed
from support.bus import NatsServer, collect, connect
from support.events import evaluated, joined


def test_messages_and_lag_are_those_of_the_bus(server: NatsServer) -> None:
    async def story() -> None:
        bus = await connect(server.url, duplicate_window_s=30.0, stream_max_age_s=60.0)
        await bus.publish([joined(1), joined(2), joined(2), evaluated(1)])
        async with (
            open_states(server.url, None) as states,
            bus.subscribe("reader", [EventKind.LABELS_JOINED]) as reader,
        ):
            await collect(reader, 2)
            seen = await states.read()
        await bus.close()

        assert set(seen) == set(EventKind)
        assert seen[EventKind.LABELS_JOINED].messages == 2
        assert seen[EventKind.LABELS_JOINED].lag == {"reader-labels_joined": 2}
        assert seen[EventKind.LABELS_JOINED].size_bytes > 0
        assert seen[EventKind.WINDOW_EVALUATED].messages == 1
        assert seen[EventKind.WINDOW_EVALUATED].lag == {}
        assert seen[EventKind.JUDGED].messages == 0

    asyncio.run(story())


def test_rows_are_counted_from_the_streams_themselves(server: NatsServer) -> None:
    async def story() -> Passed:
        bus = await connect(server.url, duplicate_window_s=30.0, stream_max_age_s=60.0)
        await bus.publish([joined(number, rows=2) for number in range(300)])
        counted = await passed(bus, EventKind.LABELS_JOINED, wait_s=0.5)
        await bus.close()
        return counted

    assert asyncio.run(story()) == Passed(messages=300, rows=600, predictions=2)
