"""A worker to test: handlers that answer, fail or wait, on a bus in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.contracts.codec import decode
from dissonance.contracts.events import Event, LabelsJoined, WindowEvaluated
from dissonance.contracts.topics import EventKind
from dissonance.errors import EngineUnavailable
from dissonance.ports.clock import Clock
from dissonance.roles.worker import Handler, Worker
from dissonance.telemetry.metrics import Metrics
from support.bus import collect
from support.events import joined

IN, OUT = EventKind.WINDOW_EVALUATED, EventKind.LABELS_JOINED


def away() -> EngineUnavailable:
    return EngineUnavailable("not reachable", where="PostgreSQL", fix="wait")


def answer_to(event: Event) -> LabelsJoined:
    """Same cause, same id."""
    assert isinstance(event, WindowEvaluated)
    return joined(event.revision)


class Recorder:
    """A handler that answers every event, and before that does what `hurt` does with the numbers it was given."""

    def __init__(self, hurt: Callable[[list[int]], None] = lambda numbers: None) -> None:
        self.calls: list[list[int]] = []
        self._hurt = hurt

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        numbers = [event.revision for event in events if isinstance(event, WindowEvaluated)]
        self.calls.append(numbers)
        self._hurt(numbers)
        return [answer_to(event) for event in events]


def make(
    bus: MemoryBus,
    handle: Handler,
    *,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    ack_wait_s: float = 30.0,
    max_deliver: int = 3,
    retry_first_s: float = 0.0,
    rest_s: float = 0.0,
    linger_s: float = 0.0,
) -> Worker:
    return Worker(
        bus,
        "role",
        [IN],
        handle,
        clock=clock or FixedClock(),
        randomness=SeededRandomness(),
        metrics=metrics or Metrics(),
        ack_wait_s=ack_wait_s,
        max_deliver=max_deliver,
        fetch_messages=100,
        fetch_wait_s=0.01,
        retry_first_s=retry_first_s,
        rest_s=rest_s,
        linger_s=linger_s,
    )


async def until(condition: Callable[[], bool | Awaitable[bool]], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.002)


async def at_rest(bus: MemoryBus) -> bool:
    return await bus.lag("role", [IN]) == 0


async def run_until_at_rest(worker: Worker, bus: MemoryBus) -> None:
    running = asyncio.create_task(worker.run())
    await until(lambda: at_rest(bus))
    worker.stop()
    await running


async def published(bus: MemoryBus) -> list[Event]:
    lag = await bus.lag("reader", [OUT])
    async with bus.subscribe("reader", [OUT]) as subscription:
        return [decode(delivery.data) for delivery in await collect(subscription, lag)]
