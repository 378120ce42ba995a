"""The loop of every role while an engine or the broker is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.contracts.events import Event
from dissonance.roles.worker import GATHERED_FETCHES
from dissonance.telemetry.metrics import Metrics
from support.events import evaluated, joined
from support.worker import IN, OUT, Recorder, at_rest, away, make, published, run_until_at_rest, until


def test_an_engine_that_is_away_is_waited_for_and_no_failure_is_counted() -> None:
    failures = iter([away(), away(), away()])

    def hurt(numbers: list[int]) -> None:
        for failure in failures:
            raise failure

    async def scenario() -> None:
        bus, recorder, metrics = MemoryBus(FixedClock(), max_deliver=1), Recorder(hurt), Metrics()
        await bus.publish([evaluated(1), evaluated(2)])
        await run_until_at_rest(make(bus, recorder.handle, metrics=metrics, max_deliver=1), bus)
        assert recorder.calls == [[1, 2]] * 4
        assert await bus.dead_letters() == []
        assert "dissonance_handler_errors_total{" not in metrics.text().decode()

    asyncio.run(scenario())


def test_while_an_engine_is_away_no_replica_is_handed_the_same_messages() -> None:
    returned = asyncio.Event()

    async def handle(events: Sequence[Event]) -> list[Event]:
        if not returned.is_set():
            raise away()
        return []

    async def scenario() -> None:
        bus = MemoryBus(SystemClock(), ack_wait_s=0.1, max_deliver=2)
        await bus.publish([evaluated(1)])
        worker = make(bus, handle, ack_wait_s=0.1)
        running = asyncio.create_task(worker.run())
        await until(lambda: worker.state.waiting_for == "PostgreSQL")
        assert worker.state.in_hand == 1
        async with bus.subscribe("role", [IN]) as replica:
            assert await replica.fetch(10, 0.5) == []
        returned.set()
        await until(lambda: at_rest(bus))
        worker.stop()
        await running
        assert await bus.dead_letters() == [] and worker.state.waiting_for == ""

    asyncio.run(scenario())


def test_when_only_publishing_fails_the_work_is_not_done_again() -> None:
    class ShyBus(MemoryBus):
        refusals = 2

        async def publish(self, events: Sequence[Event]) -> None:
            if events and events[0].KIND is OUT and self.refusals:
                self.refusals -= 1
                raise away()
            await super().publish(events)

    async def scenario() -> None:
        bus, recorder = ShyBus(FixedClock()), Recorder()
        await bus.publish([evaluated(1)])
        await run_until_at_rest(make(bus, recorder.handle), bus)
        assert recorder.calls == [[1]] and bus.refusals == 0
        assert await published(bus) == [joined(1)]

    asyncio.run(scenario())


def test_a_broker_that_is_away_is_waited_for() -> None:
    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder()
        await bus.publish([evaluated(1)])
        bus.available = False
        worker = make(bus, recorder.handle)
        running = asyncio.create_task(worker.run())
        await until(lambda: worker.state.waiting_for != "")
        assert worker.state.last_progress_us == 0 and recorder.calls == []
        bus.available = True
        await until(lambda: at_rest(bus))
        worker.stop()
        await running
        assert recorder.calls == [[1]]

    asyncio.run(scenario())


def test_stop_while_an_engine_is_away_hands_back_what_is_in_hand_at_once() -> None:
    async def handle(events: Sequence[Event]) -> list[Event]:
        raise away()

    async def scenario() -> None:
        bus = MemoryBus(FixedClock(), ack_wait_s=600.0)
        await bus.publish([evaluated(1)])
        worker = make(bus, handle, ack_wait_s=600.0)
        running = asyncio.create_task(worker.run())
        await until(lambda: worker.state.waiting_for != "")
        worker.stop()
        await running
        async with bus.subscribe("role", [IN]) as replica:
            assert len(await replica.fetch(10, 0.0)) == 1

    asyncio.run(scenario())


def test_a_worker_that_rests_handles_all_that_is_queued_at_once_and_stops_without_waiting_for_its_rest() -> None:
    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder()
        worker = make(bus, recorder.handle, rest_s=3_600.0)
        await bus.publish([evaluated(number) for number in range(250)])
        running = asyncio.create_task(worker.run())
        await until(lambda: at_rest(bus))
        await bus.publish([evaluated(250)])
        worker.stop()
        await running
        assert recorder.calls == [list(range(250))]
        assert await bus.lag("role", [IN]) == 1

    asyncio.run(scenario())


def test_a_worker_that_rests_does_not_when_more_is_queued_than_it_takes_at_once() -> None:
    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder()
        worker = make(bus, recorder.handle, rest_s=3_600.0)
        most = GATHERED_FETCHES * 100
        await bus.publish([evaluated(number) for number in range(most + 2)])
        await run_until_at_rest(worker, bus)
        assert recorder.calls == [list(range(most)), [most, most + 1]]

    asyncio.run(scenario())


def test_a_worker_that_lingers_lets_more_gather_once_all_is_handled_and_stops_without_waiting_for_it() -> None:
    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder()
        worker = make(bus, recorder.handle, linger_s=3_600.0)
        await bus.publish([evaluated(number) for number in range(99)])
        running = asyncio.create_task(worker.run())
        await until(lambda: at_rest(bus))
        await bus.publish([evaluated(99)])
        worker.stop()
        await running
        assert recorder.calls == [list(range(99))]
        assert await bus.lag("role", [IN]) == 1

    asyncio.run(scenario())


def test_a_worker_that_lingers_goes_on_at_once_while_more_is_queued_than_one_fetch_brings() -> None:
    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder()
        worker = make(bus, recorder.handle, linger_s=3_600.0)
        await bus.publish([evaluated(number) for number in range(250)])
        await run_until_at_rest(worker, bus)
        assert recorder.calls == [list(range(100)), list(range(100, 200)), list(range(200, 250))]

    asyncio.run(scenario())
