"""What every bus holds to: run against the double in memory and against a real JetStream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dissonance.contracts.codec import decode, encode
from dissonance.contracts.events import LabelsJoined, WindowEvaluated
from dissonance.contracts.topics import EventKind
from dissonance.errors import EngineUnavailable, InputError
from dissonance.ports.bus import Bus, Delivery
from support.bus import BusKit, JetStreamKit, MemoryKit, NatsServer, ack_all, collect, until_lag
from support.events import CURRENT, TASK_ID, evaluated, joined

WINDOWS = [EventKind.WINDOW_EVALUATED]
BOTH = [EventKind.WINDOW_EVALUATED, EventKind.LABELS_JOINED]
SHORT_S = 0.4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["memory", "jetstream"])
def kit(request: pytest.FixtureRequest) -> BusKit:
    if request.param == "memory":
        return MemoryKit()
    server: NatsServer = request.getfixturevalue("server")
    asyncio.run(server.forget_everything())
    return JetStreamKit(server)


def numbers(deliveries: list[Delivery]) -> list[int]:
    events = [decode(delivery.data) for delivery in deliveries]
    assert all(isinstance(event, WindowEvaluated) for event in events)
    return [event.revision for event in events]  # type: ignore[attr-defined]


def test_a_published_event_arrives_with_its_bytes_unchanged(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        for kind, event in CURRENT.items():
            await bus.publish([event])
            async with bus.subscribe("reader", [kind]) as subscription:
                [delivery] = await collect(subscription, 1)
                assert (delivery.data, delivery.kind, delivery.attempt) == (encode(event), kind, 1)
                await delivery.ack()
        await bus.close()

    asyncio.run(scenario())


def test_publishing_returns_after_every_event_is_in(kit: BusKit) -> None:
    async def scenario() -> None:
        bus, other = await kit.connect(), await kit.connect()
        await bus.publish([])
        await bus.publish([evaluated(number) for number in range(10_000)])
        assert await other.lag("reader", WINDOWS) == 10_000
        await bus.close()
        await other.close()

    asyncio.run(scenario())


def test_calls_that_publish_at_once_do_not_wait_for_each_other(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await asyncio.gather(*(bus.publish([evaluated(number)]) for number in range(500)))
        async with bus.subscribe("reader", WINDOWS) as subscription:
            taken = await collect(subscription, 500)
        assert sorted(numbers(taken)) == list(range(500))
        await bus.close()

    asyncio.run(scenario())


def test_one_consumer_sees_events_in_the_order_they_were_published(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        async with bus.subscribe("reader", WINDOWS) as subscription:
            await bus.publish([evaluated(number) for number in range(100)])
            await bus.publish([evaluated(number) for number in range(100, 150)])
            assert numbers(await collect(subscription, 150)) == list(range(150))
        await bus.close()

    asyncio.run(scenario())


def test_the_same_event_id_within_the_window_is_kept_once(kit: BusKit) -> None:
    async def scenario() -> None:
        bus, other = await kit.connect(), await kit.connect()
        await bus.publish([evaluated(1), evaluated(2), evaluated(1)])
        await other.publish([evaluated(2), evaluated(3)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            assert numbers(await collect(subscription, 3)) == [1, 2, 3]
            assert await subscription.fetch(10, 0.05) == []
        await bus.close()
        await other.close()

    asyncio.run(scenario())


def test_the_same_event_id_after_the_window_is_a_new_event(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect(duplicate_window_s=0.1)
        async with bus.subscribe("reader", WINDOWS) as subscription, asyncio.timeout(10):
            taken: list[Delivery] = []
            while len(taken) < 2:
                await bus.publish([evaluated(1)])
                taken += await subscription.fetch(10, 0.2)
        assert numbers(taken) == [1, 1]
        await bus.close()

    asyncio.run(scenario())


def test_a_fetch_takes_what_is_queued_up_to_its_limit_and_leaves_the_rest(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(number) for number in range(10)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            assert numbers(await subscription.fetch(4, 5.0)) == [0, 1, 2, 3]
            assert numbers(await subscription.fetch(100, 5.0)) == [4, 5, 6, 7, 8, 9]
            assert await subscription.fetch(100, 0.0) == []
            assert await subscription.fetch(1, 0.05) == []
        await bus.close()

    asyncio.run(scenario())


def test_a_fetch_that_waits_returns_with_the_first_message(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        async with bus.subscribe("reader", BOTH) as subscription, asyncio.timeout(10):
            waiting = asyncio.create_task(subscription.fetch(100, 60.0))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            await bus.publish([joined(1)])
            [delivery] = await waiting
            assert delivery.kind is EventKind.LABELS_JOINED
        await bus.close()

    asyncio.run(scenario())


def test_a_fetch_that_is_cancelled_loses_nothing(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        async with bus.subscribe("reader", WINDOWS) as subscription:
            waiting = asyncio.create_task(subscription.fetch(100, 60.0))
            await asyncio.sleep(0.1)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await bus.publish([evaluated(number) for number in range(5)])
            assert sorted(numbers(await collect(subscription, 5))) == [0, 1, 2, 3, 4]
        await bus.close()

    asyncio.run(scenario())


def test_a_subscription_to_several_kinds_gets_them_all(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(1), joined(1), evaluated(2), joined(2)])
        async with bus.subscribe("reader", BOTH) as subscription:
            taken = await collect(subscription, 4)
            assert {decode(delivery.data).event_id for delivery in taken} == {
                "event-1",
                "event-2",
                "joined-1",
                "joined-2",
            }
            await ack_all(taken)
        await until_lag(bus, "reader", BOTH, 0)
        await bus.close()

    asyncio.run(scenario())


def test_replicas_of_one_consumer_share_its_work(kit: BusKit) -> None:
    async def scenario() -> None:
        first, second = await kit.connect(), await kit.connect()
        await first.publish([evaluated(number) for number in range(40)])
        async with first.subscribe("reader", WINDOWS) as one, second.subscribe("reader", WINDOWS) as two:
            left = await one.fetch(15, 2.0)
            right = await two.fetch(15, 2.0)
            rest = await collect(one, 10)
            assert sorted(numbers(left) + numbers(right) + numbers(rest)) == list(range(40))
            assert await two.fetch(15, 0.05) == []
            await ack_all([*left, *right, *rest])
        await until_lag(second, "reader", WINDOWS, 0)
        await first.close()
        await second.close()

    asyncio.run(scenario())


def test_both_replicas_wait_and_each_message_goes_to_one_of_them(kit: BusKit) -> None:
    async def scenario() -> None:
        first, second = await kit.connect(), await kit.connect()
        async with first.subscribe("reader", WINDOWS) as one, second.subscribe("reader", WINDOWS) as two:
            waiting = [asyncio.create_task(one.fetch(10, 30.0)), asyncio.create_task(two.fetch(10, 30.0))]
            await asyncio.sleep(0.1)
            taken: list[int] = []
            async with asyncio.timeout(10):
                for number in range(2):
                    await first.publish([evaluated(number)])
                    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    taken += [number for task in done for number in numbers(await task)]
                    waiting = list(rest)
            assert taken == [0, 1]
        await first.close()
        await second.close()

    asyncio.run(scenario())


def test_consumers_of_different_names_each_get_everything(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(1), evaluated(2)])
        for name in ("one", "two"):
            async with bus.subscribe(name, WINDOWS) as subscription:
                assert numbers(await collect(subscription, 2)) == [1, 2]
        await bus.close()

    asyncio.run(scenario())


def test_a_consumer_goes_on_where_it_stood_when_its_process_starts_again(kit: BusKit) -> None:
    async def scenario() -> None:
        first, second = await kit.connect(), await kit.connect()
        await first.publish([evaluated(1), evaluated(2)])
        async with first.subscribe("reader", WINDOWS) as subscription:
            await ack_all(await subscription.fetch(1, 2.0))
        await first.close()
        async with second.subscribe("reader", WINDOWS) as subscription:
            assert numbers(await collect(subscription, 1)) == [2]
        await second.close()

    asyncio.run(scenario())


def test_a_message_handed_back_comes_again_with_its_attempt_counted(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(1)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            [first] = await collect(subscription, 1)
            await first.retry(0.0)
            [second] = await collect(subscription, 1)
            await second.retry(0.15)
            assert await subscription.fetch(1, 0.0) == []
            [third] = await collect(subscription, 1)
            assert [first.attempt, second.attempt, third.attempt] == [1, 2, 3]
            await third.ack()
        await until_lag(bus, "reader", WINDOWS, 0)
        await bus.close()

    asyncio.run(scenario())


def test_a_message_that_nobody_answers_comes_again_after_the_ack_wait(kit: BusKit) -> None:
    async def scenario() -> None:
        first, second = await kit.connect(ack_wait_s=SHORT_S), await kit.connect(ack_wait_s=SHORT_S)
        await first.publish([evaluated(1)])
        async with first.subscribe("reader", WINDOWS) as one, second.subscribe("reader", WINDOWS) as two:
            await collect(one, 1)
            assert await two.fetch(1, 0.05) == []
            [again] = await collect(two, 1)
            assert again.attempt == 2
        await first.close()
        await second.close()

    asyncio.run(scenario())


def test_a_message_that_is_kept_is_not_handed_to_another_replica(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect(ack_wait_s=SHORT_S)
        await bus.publish([evaluated(1)])
        async with bus.subscribe("reader", WINDOWS) as one, bus.subscribe("reader", WINDOWS) as two:
            [delivery] = await collect(one, 1)
            for _ in range(6):
                await delivery.keep()
                assert await two.fetch(1, SHORT_S / 3) == []
            await delivery.ack()
            assert await two.fetch(1, SHORT_S * 1.5) == []
        await bus.close()

    asyncio.run(scenario())


def test_an_answer_to_a_message_counts_once(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(1)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            [delivery] = await collect(subscription, 1)
            await delivery.ack()
            await delivery.ack()
            await delivery.retry(0.0)
            await delivery.dead_letter("too late")
            await delivery.keep()
            assert await subscription.fetch(1, 0.1) == []
        assert await bus.dead_letters() == []
        await bus.close()

    asyncio.run(scenario())


async def bury(bus: Bus, reason: str) -> None:
    async with bus.subscribe("reader", BOTH) as subscription:
        [delivery] = await collect(subscription, 1)
        await delivery.dead_letter(reason)


def test_a_dead_letter_keeps_the_bytes_the_reason_and_where_it_came_from(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        event = joined(1, rows=7)
        await bus.publish([event])
        await bury(bus, "wrong-type: α\r\nInjected: 100% <of it>")
        [letter] = await bus.dead_letters()
        assert (letter.task_id, letter.kind, letter.consumer) == (TASK_ID, EventKind.LABELS_JOINED, "reader")
        assert letter.reason == "wrong-type: α\r\nInjected: 100% <of it>"
        assert (letter.rows, letter.data) == (7, encode(event))
        assert letter.died_at_us > 1_700_000_000_000_000
        async with bus.subscribe("reader", BOTH) as subscription:
            assert await subscription.fetch(1, 0.1) == []
        await until_lag(bus, "reader", BOTH, 0)
        await bus.close()

    asyncio.run(scenario())


def test_a_message_that_is_never_answered_is_a_dead_letter_after_max_deliver(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect(ack_wait_s=0.15, max_deliver=3)
        await bus.publish([evaluated(1)])
        attempts: list[int] = []
        async with bus.subscribe("reader", WINDOWS) as subscription, asyncio.timeout(20):
            while not await bus.dead_letters():
                attempts += [delivery.attempt for delivery in await subscription.fetch(10, 0.05)]
        [letter] = await bus.dead_letters()
        assert attempts == [1, 2, 3]
        assert letter.reason == "delivered 3 times without an answer"
        await until_lag(bus, "reader", WINDOWS, 0)
        await bus.close()

    asyncio.run(scenario())


def test_a_message_given_up_on_does_not_hold_up_the_others(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect(max_deliver=1)
        await bus.publish([evaluated(1), evaluated(2)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            one, two = await collect(subscription, 2)
            await two.ack()
            await one.retry(0.0)
            await bus.publish([evaluated(3)])
            assert numbers(await collect(subscription, 1)) == [3]
        assert len(await bus.dead_letters()) == 1
        await bus.close()

    asyncio.run(scenario())


def test_a_dead_letter_that_is_replayed_is_handed_out_again_and_gone_from_the_list(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(1)])
        await bury(bus, "not yet")
        [letter] = await bus.dead_letters()
        await bus.replay_dead_letter(letter.sequence)
        assert await bus.dead_letters() == []
        async with bus.subscribe("reader", WINDOWS) as subscription:
            [again] = await collect(subscription, 1)
            assert (again.data, again.attempt) == (letter.data, 1)
        await bus.close()

    asyncio.run(scenario())


def test_what_dies_a_second_time_after_its_replay_is_a_dead_letter_again(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(1)])
        await bury(bus, "first")
        [letter] = await bus.dead_letters()
        await bus.replay_dead_letter(letter.sequence)
        await bury(bus, "second")
        assert [letter.reason for letter in await bus.dead_letters()] == ["second"]
        await bus.close()

    asyncio.run(scenario())


def test_a_dead_letter_that_is_dropped_is_gone_for_good(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(1)])
        await bury(bus, "no use")
        [letter] = await bus.dead_letters()
        await bus.drop_dead_letter(letter.sequence)
        assert await bus.dead_letters() == []
        async with bus.subscribe("reader", WINDOWS) as subscription:
            assert await subscription.fetch(1, 0.1) == []
        await bus.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("sequence", [0, -1, 1, 77])
def test_a_dead_letter_that_is_not_there_is_named(kit: BusKit, sequence: int) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        with pytest.raises(InputError, match=f"no dead letter {sequence} "):
            await bus.drop_dead_letter(sequence)
        with pytest.raises(InputError, match=f"no dead letter {sequence} "):
            await bus.replay_dead_letter(sequence)
        await bus.close()

    asyncio.run(scenario())


def test_dead_letters_are_listed_oldest_first_up_to_the_limit(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([evaluated(number) for number in range(5)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            for number, delivery in enumerate(await collect(subscription, 5)):
                await delivery.dead_letter(f"reason {number}")
        letters = await bus.dead_letters()
        assert [letter.reason for letter in letters] == [f"reason {number}" for number in range(5)]
        await bus.drop_dead_letter(letters[1].sequence)
        assert [letter.reason for letter in await bus.dead_letters(limit=2)] == ["reason 0", "reason 2"]
        await bus.close()

    asyncio.run(scenario())


def test_every_watcher_sees_every_event_from_now_on(kit: BusKit) -> None:
    async def scenario() -> None:
        first, second = await kit.connect(), await kit.connect()
        await first.publish([evaluated(0)])
        async with first.watch(WINDOWS) as one, second.watch(BOTH) as two, asyncio.timeout(10):
            await first.publish([evaluated(1)])
            await second.publish([joined(1), evaluated(2)])
            assert [await anext(one), await anext(one)] == [evaluated(1), evaluated(2)]
            seen = [await anext(two) for _ in range(3)]
            assert {event.event_id for event in seen} == {"event-1", "joined-1", "event-2"}
            assert sum(isinstance(event, LabelsJoined) for event in seen) == 1
        await first.close()
        await second.close()

    asyncio.run(scenario())


def test_lag_counts_what_waits_and_what_is_in_hand(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([*(evaluated(number) for number in range(5)), joined(1)])
        assert await bus.lag("reader", BOTH) == 6
        async with bus.subscribe("reader", WINDOWS) as subscription:
            taken = await collect(subscription, 3)
            assert await bus.lag("reader", WINDOWS) == 5
            await ack_all(taken)
            await until_lag(bus, "reader", WINDOWS, 2)
        assert await bus.lag("reader", BOTH) == 3
        assert await bus.lag("other", WINDOWS) == 5
        await bus.close()

    asyncio.run(scenario())


def test_closing_sends_what_was_acknowledged_and_leaves_the_rest_to_others(kit: BusKit) -> None:
    async def scenario() -> None:
        first, second = await kit.connect(ack_wait_s=SHORT_S), await kit.connect(ack_wait_s=SHORT_S)
        await first.publish([evaluated(number) for number in range(50)])
        async with first.subscribe("reader", WINDOWS) as subscription:
            taken = await collect(subscription, 50)
            await ack_all(taken[:49])
            await first.close()
        await until_lag(second, "reader", WINDOWS, 1)
        async with second.subscribe("reader", WINDOWS) as subscription:
            assert numbers(await collect(subscription, 1)) == [49]
        await second.close()

    asyncio.run(scenario())


def test_a_closed_bus_says_so_and_may_be_closed_again(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.ready()
        async with bus.subscribe("reader", WINDOWS) as subscription:
            await bus.close()
            with pytest.raises(EngineUnavailable):
                await subscription.fetch(1, 0.0)
        await bus.close()
        for call in (bus.ready(), bus.publish([evaluated(1)]), bus.lag("reader", WINDOWS), bus.dead_letters()):
            with pytest.raises(EngineUnavailable):
                await call

    asyncio.run(scenario())
