"""The loop of every role, on a bus in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.contracts.codec import decode
from dissonance.contracts.events import Event, LabelsJoined, WindowEvaluated
from dissonance.contracts.topics import EventKind
from dissonance.errors import (
    DissonanceError,
    EngineUnavailable,
    MalformedEvent,
    NotFinite,
    UnknownPrediction,
    UnseenCategory,
)
from dissonance.ports.clock import Clock
from dissonance.roles.worker import Handler, Worker, reason_of
from dissonance.telemetry.metrics import Metrics
from support.bus import collect
from support.events import TASK_ID, evaluated, joined

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


def test_one_bad_message_is_found_among_many_retried_and_given_up_with_its_reason() -> None:
    def hurt(numbers: list[int]) -> None:
        if 3 in numbers:
            raise UnknownPrediction("prediction 3 is not stored", where="labels", fix="wait")

    async def scenario() -> None:
        bus, recorder, metrics = MemoryBus(FixedClock()), Recorder(hurt), Metrics()
        await bus.publish([evaluated(number) for number in range(5)])
        await run_until_at_rest(make(bus, recorder.handle, metrics=metrics), bus)
        assert recorder.calls == [[0, 1, 2, 3, 4], [0], [1], [2], [3], [4], [3], [3]]
        assert await published(bus) == [joined(number) for number in (0, 1, 2, 4)]
        [letter] = await bus.dead_letters()
        assert letter.reason == "unknown-prediction: prediction 3 is not stored (labels)"
        assert decode(letter.data) == evaluated(3)
        text = metrics.text().decode()
        labels = 'kind="window_evaluated",role="role"'
        assert f'dissonance_handler_errors_total{{{labels},slug="unknown-prediction"}} 3.0' in text
        assert f"dissonance_dead_letters_total{{{labels}}} 1.0" in text
        assert f"dissonance_events_handled_total{{{labels}}} 4.0" in text

    asyncio.run(scenario())


def test_a_message_that_fails_once_is_handled_at_its_next_delivery() -> None:
    failures = iter([UnknownPrediction("not yet", where="labels", fix="wait")])

    def hurt(numbers: list[int]) -> None:
        for failure in failures:
            raise failure

    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder(hurt)
        await bus.publish([evaluated(1)])
        await run_until_at_rest(make(bus, recorder.handle), bus)
        assert recorder.calls == [[1], [1]]
        assert await published(bus) == [joined(1)] and await bus.dead_letters() == []

    asyncio.run(scenario())


def test_the_delay_of_a_failing_message_grows() -> None:
    def hurt(numbers: list[int]) -> None:
        raise UnknownPrediction("never", where="labels", fix="none")

    async def scenario() -> None:
        clock = FixedClock()
        bus, recorder = MemoryBus(clock), Recorder(hurt)
        await bus.publish([evaluated(1)])
        worker = make(bus, recorder.handle, clock=clock, retry_first_s=1.0)
        running = asyncio.create_task(worker.run())
        for tries, delay_s in ((1, 1.0), (2, 4.0)):
            await until(lambda tries=tries: len(recorder.calls) == tries and worker.state.in_hand == 0)
            clock.advance(delay_s - 0.001)
            await asyncio.sleep(0.05)
            assert len(recorder.calls) == tries
            clock.advance(0.002)
        await until(lambda: at_rest(bus))
        worker.stop()
        await running
        assert len(await bus.dead_letters()) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("data", "slug"),
    [
        (b"garbage", "malformed-event"),
        (b"", "malformed-event"),
        (msgspec.msgpack.encode((IN.value, 99, {})), "unknown-schema-version"),
    ],
)
def test_what_is_no_event_of_ours_is_a_dead_letter_at_once_and_holds_up_nothing(data: bytes, slug: str) -> None:
    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder()
        bus.broker.publish(IN, TASK_ID, "bad", data)
        await bus.publish([evaluated(1)])
        await run_until_at_rest(make(bus, recorder.handle), bus)
        assert recorder.calls == [[1]]
        [letter] = await bus.dead_letters()
        assert (letter.data, letter.rows) == (data, 0)
        assert letter.reason.startswith(f"{slug}: ")

    asyncio.run(scenario())


def test_a_defect_is_counted_and_its_text_which_may_quote_a_row_is_kept_out() -> None:
    def hurt(numbers: list[int]) -> None:
        raise ZeroDivisionError("Jane Doe, born 1970")

    async def scenario() -> None:
        bus, recorder, metrics = MemoryBus(FixedClock()), Recorder(hurt), Metrics()
        await bus.publish([evaluated(1)])
        await run_until_at_rest(make(bus, recorder.handle, metrics=metrics, max_deliver=2), bus)
        [letter] = await bus.dead_letters()
        assert letter.reason.startswith("unexpected ZeroDivisionError at ") and "test_worker" in letter.reason
        assert "Jane" not in letter.reason
        assert 'dissonance_unexpected_errors_total{where="role"} 2.0' in metrics.text().decode()

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [UnseenCategory, NotFinite])
def test_the_reason_of_an_error_that_may_quote_a_value_is_its_name_and_place(error: type[DissonanceError]) -> None:
    assert reason_of(error("'Jane' was never seen", where="name")) == f"{error.slug} (name)"


def test_the_reason_of_an_error_about_ids_is_its_text() -> None:
    assert reason_of(MalformedEvent("not an event", where="event")) == "malformed-event: not an event (event)"


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
        await bus.publish([evaluated(1), evaluated(2)])
        assert await worker.lag() == 2
        assert 'dissonance_lag_messages{role="role"} 2.0' in metrics.text().decode()
        await run_until_at_rest(worker, bus)
        assert worker.state == (False, clock.now_us(), 0, "")
        assert await worker.lag() == 0

    asyncio.run(scenario())
