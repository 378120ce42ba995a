"""Questions to all processes: who answers, who does not, and when there is nobody; in memory and on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dissonance.errors import EngineUnavailable
from support.bus import BusKit

LONG_S = 30.0


def two(said: Sequence[bytes]) -> bool:
    return len(said) == 2


def all_there_are(said: Sequence[bytes]) -> bool:
    return False


def test_every_process_that_answers_is_heard_and_the_asker_goes_on_when_it_has_enough(kit: BusKit) -> None:
    async def scenario() -> None:
        asker, one, other = [await kit.connect() for _ in range(3)]
        async with one.answering("who", lambda data: b"one " + data), other.answering("who", lambda data: b"other"):
            heard = await asker.ask("who", b"here", wait_s=LONG_S, enough=two)
            assert (sorted(heard.said), heard.listened) == ([b"one here", b"other"], True)
        for bus in (asker, one, other):
            await bus.close()

    asyncio.run(scenario())


def test_where_nobody_listens_any_more_the_asker_does_not_wait(kit: BusKit) -> None:
    async def scenario() -> None:
        asker, one = await kit.connect(), await kit.connect()
        async with one.answering("who", lambda data: b"one"):
            pass
        async with one.answering("elsewhere", lambda data: b"one"):
            assert await asker.ask("who", b"", wait_s=LONG_S, enough=two) == ([], False)
        await asker.close()
        await one.close()

    asyncio.run(scenario())


def test_who_has_nothing_to_say_is_silent_and_the_others_are_heard_when_the_wait_is_over(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        async with bus.answering("who", lambda data: None), bus.answering("who", lambda data: b"me"):
            assert await bus.ask("who", b"", wait_s=0.2, enough=all_there_are) == ([b"me"], True)
        await bus.close()

    asyncio.run(scenario())


def test_where_all_who_listen_are_silent_the_asker_knows_that_somebody_is_there(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        async with bus.answering("who", lambda data: None):
            assert await bus.ask("who", b"", wait_s=0.2, enough=all_there_are) == ([], True)
        await bus.close()

    asyncio.run(scenario())


def test_a_bus_that_is_closed_asks_nobody(kit: BusKit) -> None:
    async def scenario() -> None:
        bus = await kit.connect()
        await bus.close()
        with pytest.raises(EngineUnavailable):
            await bus.ask("who", b"", wait_s=0.1, enough=two)
        with pytest.raises(EngineUnavailable):
            async with bus.answering("who", lambda data: b"me"):
                pass

    asyncio.run(scenario())
