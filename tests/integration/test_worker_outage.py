"""Workers on a real JetStream that is killed under them: every event has its consequence, exactly once in effect."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.nats import JetStreamBus
from dissonance.contracts.codec import decode
from dissonance.contracts.events import Event, WindowEvaluated
from dissonance.contracts.topics import EventKind
from dissonance.roles.worker import Worker
from dissonance.telemetry.metrics import Metrics
from support.bus import NatsServer, collect, connect, until_lag
from support.events import evaluated, joined

EVENTS = 600
IN, OUT = EventKind.WINDOW_EVALUATED, EventKind.LABELS_JOINED


def worker_on(bus: JetStreamBus) -> Worker:
    async def handle(events: Sequence[Event]) -> list[Event]:
        await asyncio.sleep(0.02)
        return [joined(event.revision) for event in events if isinstance(event, WindowEvaluated)]

    return Worker(
        bus,
        "role",
        [IN],
        handle,
        clock=SystemClock(),
        randomness=SystemRandomness(),
        metrics=Metrics(),
        ack_wait_s=1.0,
        max_deliver=5,
        fetch_messages=20,
        fetch_wait_s=0.2,
    )


def test_two_replicas_go_on_by_themselves_when_the_broker_was_killed_and_one_of_them_died(server: NatsServer) -> None:
    async def scenario() -> None:
        first, second = await connect(server.url, ack_wait_s=1.0), await connect(server.url, ack_wait_s=1.0)
        await first.publish([evaluated(number) for number in range(EVENTS)])
        workers = [worker_on(first), worker_on(second)]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        await asyncio.sleep(0.1)
        running[0].cancel()
        await asyncio.sleep(0.05)
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(0.1)
        await asyncio.to_thread(server.start)
        await until_lag(second, "role", [IN], 0, within_s=30)
        workers[1].stop()
        await running[1]
        assert await second.dead_letters() == []
        assert await second.lag("reader", [OUT]) == EVENTS
        async with second.subscribe("reader", [OUT]) as subscription:
            produced = [decode(delivery.data).event_id for delivery in await collect(subscription, EVENTS)]
        assert sorted(produced) == sorted(joined(number).event_id for number in range(EVENTS))
        await asyncio.gather(running[0], return_exceptions=True)
        await first.close()
        await second.close()

    asyncio.run(scenario())
