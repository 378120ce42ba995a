"""The loop of every role when a message cannot be handled."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.contracts.codec import decode, encode
from dissonance.errors import (
    DissonanceError,
    MalformedEvent,
    NotFinite,
    UnknownPrediction,
    UnknownTask,
    UnseenCategory,
)
from dissonance.roles.worker import reason_of
from dissonance.telemetry.metrics import Metrics
from support.events import TASK_ID, evaluated, joined
from support.worker import IN, Recorder, at_rest, make, published, run_until_at_rest, until


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


def test_a_message_about_a_deleted_task_is_a_dead_letter_at_once_and_holds_up_no_other() -> None:
    def hurt(numbers: list[int]) -> None:
        if 1 in numbers:
            raise UnknownTask("no task has the id 'ab'", where="task", fix="list them")

    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder(hurt)
        await bus.publish([evaluated(number) for number in range(3)])
        await run_until_at_rest(make(bus, recorder.handle), bus)
        assert recorder.calls == [[0, 1, 2], [0], [1], [2]]
        assert await published(bus) == [joined(0), joined(2)]
        [letter] = await bus.dead_letters()
        assert letter.reason == "unknown-task: no task has the id 'ab' (task)"

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


def test_an_event_on_the_topic_of_another_kind_is_a_dead_letter_instead_of_being_passed_over() -> None:
    async def scenario() -> None:
        bus, recorder = MemoryBus(FixedClock()), Recorder()
        bus.broker.publish(IN, TASK_ID, "astray", encode(joined(7)))
        await run_until_at_rest(make(bus, recorder.handle), bus)
        assert recorder.calls == []
        [letter] = await bus.dead_letters()
        assert letter.reason.startswith("malformed-event: an event of the kind 'labels_joined' on the topic of ")

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
