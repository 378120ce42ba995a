"""The loop of every role, on a bus in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.contracts.events import Event
from dissonance.telemetry.metrics import Metrics
from support.events import evaluated, joined
from support.worker import IN, OUT, Recorder, answer_to, at_rest, make, published, run_until_at_rest, until


def test_all_that_is_queued_is_handled_in_one_call_and_acknowledged() -> None:
    async def scenario() -> None:
        bus, recorder, metrics = MemoryBus(FixedClock()), Recorder(), Metrics()
        await bus.publish([evaluated(number) for number in range(20)])
        await run_until_at_rest(make(bus, recorder.handle, metrics=metrics), bus)
        assert recorder.calls == [list(range(20))]
        assert await published(bus) == [joined(number) for number in range(20)]
        text = metrics.text().decode()
        assert 'dissonance_events_handled_total{kind="window_evaluated",role="role"} 20.0' in text
        assert 'dissonance_batch_size_rows_sum{role="role"} 20.0' in text

    asyncio.run(scenario())


def test_a_crash_between_publish_and_acknowledgement_repeats_the_work_without_doubling_it() -> None:
    class DyingBus(MemoryBus):
        async def publish(self, events: Sequence[Event]) -> None:
            await super().publish(events)
            if events and events[0].KIND is OUT:
                await asyncio.Event().wait()

    async def scenario() -> None:
        clock = FixedClock()
        dying, recorder = DyingBus(clock), Recorder()
        await dying.publish([evaluated(1)])
        crashing = asyncio.create_task(make(dying, recorder.handle, clock=clock).run())
        await until(lambda: published_count(dying))
        crashing.cancel()
        await asyncio.gather(crashing, return_exceptions=True)
        assert await dying.lag("role", [IN]) == 1

        bus = MemoryBus(clock, broker=dying.broker)
        clock.advance(31.0)
        await run_until_at_rest(make(bus, recorder.handle, clock=clock), bus)
        assert recorder.calls == [[1], [1]]
        assert await published(bus) == [joined(1)]

    async def published_count(bus: MemoryBus) -> bool:
        return await bus.lag("reader", [OUT]) == 1

    asyncio.run(scenario())


def test_stop_finishes_what_is_in_hand() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handle(events: Sequence[Event]) -> list[Event]:
        started.set()
        await go_on.wait()
        return [answer_to(event) for event in events]

    async def scenario() -> None:
        bus = MemoryBus(FixedClock())
        await bus.publish([evaluated(1), evaluated(2)])
        worker = make(bus, handle)
        running = asyncio.create_task(worker.run())
        await started.wait()
        await bus.publish([evaluated(3)])
        assert worker.state.running and worker.state.in_hand == 2
        worker.stop()
        await asyncio.sleep(0.02)
        assert not running.done()
        go_on.set()
        await running
        assert await published(bus) == [joined(1), joined(2)]
        assert await bus.lag("role", [IN]) == 1
        assert not worker.state.running and worker.state.in_hand == 0

    asyncio.run(scenario())


def test_stop_while_the_broker_is_away_returns() -> None:
    async def scenario() -> None:
        bus = MemoryBus(FixedClock())

        async def handle(events: Sequence[Event]) -> list[Event]:
            bus.available = False
            return [answer_to(event) for event in events]

        await bus.publish([evaluated(1)])
        worker = make(bus, handle)
        running = asyncio.create_task(worker.run())
        await until(lambda: worker.state.waiting_for != "")
        worker.stop()
        await running
        bus.available = True
        assert await bus.lag("role", [IN]) == 1

    asyncio.run(scenario())


def test_replicas_share_the_work() -> None:
    async def scenario() -> None:
        bus = MemoryBus(FixedClock())
        recorders = [Recorder(), Recorder()]
        workers = [make(MemoryBus(FixedClock(), broker=bus.broker), recorder.handle) for recorder in recorders]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        for number in range(50):
            await bus.publish([evaluated(number)])
            await asyncio.sleep(0)
        await until(lambda: at_rest(bus))
        for worker in workers:
            worker.stop()
        await asyncio.gather(*running)
        handled = [number for recorder in recorders for call in recorder.calls for number in call]
        assert sorted(handled) == list(range(50))

    asyncio.run(scenario())


def test_state_and_lag_tell_whether_work_goes_on() -> None:
    async def scenario() -> None:
        clock, metrics = FixedClock(), Metrics()
        bus, recorder = MemoryBus(clock), Recorder()
        worker = make(bus, recorder.handle, clock=clock, metrics=metrics)
        assert worker.state == (False, 0, 0, "")
        await bus.publish([evaluated(1)])
        clock.advance(5)
        await bus.publish([evaluated(2)])
        clock.advance(2)
        assert await worker.lag() == 2
        assert 'dissonance_lag_messages{role="role"} 2.0' in metrics.text().decode()
        assert 'dissonance_oldest_message_age_seconds{role="role"} 7.0' in metrics.text().decode()
        await run_until_at_rest(worker, bus)
        assert worker.state == (False, clock.now_us(), 0, "")
        assert await worker.lag() == 0
        assert 'dissonance_oldest_message_age_seconds{role="role"} 0.0' in metrics.text().decode()

    asyncio.run(scenario())


def test_the_metric_of_the_lag_is_kept_current_also_after_the_broker_was_away() -> None:
    async def scenario() -> None:
        metrics, bus = Metrics(), MemoryBus(FixedClock())
        watching = asyncio.create_task(make(bus, Recorder().handle, metrics=metrics).watch_lag(0.001))

        async def shown(lag: int) -> bool:
            return f'dissonance_lag_messages{{role="role"}} {lag}.0' in metrics.text().decode()

        await bus.publish([evaluated(1)])
        await until(lambda: shown(1))
        bus.available = False
        await asyncio.sleep(0.005)
        bus.available = True
        await bus.publish([evaluated(2)])
        await until(lambda: shown(2))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(scenario())
