"""Fetching, sharing, retrying and counting: what every bus holds to."""

from __future__ import annotations

import asyncio

from dissonance.contracts.codec import decode
from dissonance.contracts.topics import EventKind
from support.bus import BOTH, SHORT_S, WINDOWS, BusKit, ack_all, collect, numbers, until_lag
from support.events import evaluated, joined


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


def test_a_queue_of_large_messages_comes_in_several_fetches_and_in_order(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.publish([joined(number, rows=rows) for number, rows in enumerate([20_000] * 5 + [37_000, 1])])
        async with bus.subscribe("reader", BOTH) as subscription:
            taken = await collect(subscription, 7)
            assert [decode(delivery.data).event_id for delivery in taken] == [f"joined-{n}" for n in range(7)]
            await ack_all(taken)
        await until_lag(bus, "reader", BOTH, 0)
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


def test_age_of_the_oldest_message_is_told_until_it_is_acknowledged(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        assert await bus.oldest_us("reader", BOTH) is None
        await bus.publish([joined(1)])
        await asyncio.sleep(0.01)
        await bus.publish([evaluated(1), evaluated(2)])
        oldest_us, windows_us = await bus.oldest_us("reader", BOTH), await bus.oldest_us("reader", WINDOWS)
        assert oldest_us is not None and windows_us is not None
        assert oldest_us < windows_us
        async with bus.subscribe("reader", WINDOWS) as subscription:
            taken = await collect(subscription, 2)
            assert await bus.oldest_us("reader", WINDOWS) == windows_us
            await ack_all(taken)
            await until_lag(bus, "reader", WINDOWS, 0)
        assert await bus.oldest_us("reader", WINDOWS) is None
        assert await bus.oldest_us("reader", BOTH) == oldest_us
        await bus.close()

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


def test_history_is_read_without_taking_anything_from_a_consumer(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        mine = evaluated(0).task_id
        assert await bus.history(BOTH, mine) == []
        await bus.publish([evaluated(number) for number in range(40)])
        await bus.publish([joined(7)])
        async with bus.subscribe("reader", WINDOWS) as subscription:
            await ack_all(await subscription.fetch(3, 5.0))
            told = await bus.history([EventKind.LABELS_JOINED, EventKind.WINDOW_EVALUATED], mine)
            assert [event.event_id for event in told] == [
                joined(7).event_id,
                *(evaluated(number).event_id for number in range(40)),
            ]
            assert await bus.history(BOTH, "f" * 32) == []
            assert numbers(await subscription.fetch(2, 5.0)) == [3, 4]
        await bus.close()

    asyncio.run(scenario())
