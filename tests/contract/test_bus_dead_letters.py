"""Dead letters, from their death to replay or drop: what every bus holds to."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.contracts.codec import encode
from dissonance.contracts.topics import EventKind
from dissonance.errors import InputError
from dissonance.ports.bus import Bus
from support.bus import BOTH, WINDOWS, BusKit, collect, numbers, until_lag
from support.events import TASK_ID, evaluated, joined


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
            async with asyncio.timeout(20):
                while not (letters := await bus.dead_letters()):
                    assert await subscription.fetch(1, 0.05) == []
        assert len(letters) == 1
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


def test_dead_letters_are_listed_in_pages(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        for number in range(5):
            await bus.publish([evaluated(number)])
            await bury(bus, f"reason {number}")
        first = await bus.dead_letters(2)
        second = await bus.dead_letters(2, after=first[-1].sequence)
        third = await bus.dead_letters(2, after=second[-1].sequence)
        assert [letter.reason for letter in (*first, *second, *third)] == [f"reason {number}" for number in range(5)]
        assert await bus.dead_letters(2, after=third[-1].sequence) == []
        await bus.close()

    asyncio.run(scenario())
