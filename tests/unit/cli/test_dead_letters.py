"""`dissonance dead-letters`: what it asks of the bus and what it shows."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.cli.dead_letters import ListedLetter, _table, app, dropped, listed, replayed
from dissonance.contracts.codec import encode
from dissonance.contracts.topics import EventKind
from dissonance.errors import InputError
from support.bus import collect
from support.events import TASK_ID, joined

KINDS = [EventKind.LABELS_JOINED]


async def bus_with_dead_letters(count: int) -> MemoryBus:
    bus = MemoryBus(FixedClock())
    await bus.publish([joined(number) for number in range(count)])
    async with bus.subscribe("learner", KINDS) as subscription:
        for number, delivery in enumerate(await collect(subscription, count)):
            await delivery.dead_letter(f"[red] reason {number}")
    return bus


def test_a_listed_letter_says_what_when_who_and_why() -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(3)
        first, _ = await listed(bus, limit=2)
        assert first == ListedLetter(
            sequence=1,
            task_id=TASK_ID,
            kind="labels_joined",
            consumer="learner",
            reason="[red] reason 0",
            rows=3,
            died_at="2023-11-14T22:13:20.000000Z",
            size_bytes=len(encode(joined(0))),
        )
        out = io.StringIO()
        Console(file=out, width=200).print(_table([first]))
        assert "[red] reason 0" in out.getvalue() and "learner" in out.getvalue()

    asyncio.run(scenario())


def test_replay_hands_out_the_named_ones_and_leaves_the_rest() -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(3)
        assert (await replayed(bus, [1, 3], every=False)).replayed == [1, 3]
        assert [letter.sequence for letter in await bus.dead_letters()] == [2]
        async with bus.subscribe("learner", KINDS) as subscription:
            assert [delivery.data for delivery in await collect(subscription, 2)] == [
                encode(joined(0)),
                encode(joined(2)),
            ]

    asyncio.run(scenario())


def test_drop_of_all_leaves_none_and_hands_out_none() -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(3)
        assert (await dropped(bus, [], every=True)).dropped == [1, 2, 3]
        assert await bus.dead_letters() == [] and await bus.lag("learner", KINDS) == 0

    asyncio.run(scenario())


def test_a_number_that_is_not_there_is_named_and_those_before_it_are_done() -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(3)
        with pytest.raises(InputError, match="no dead letter 9"):
            await dropped(bus, [2, 9, 3], every=False)
        assert [letter.sequence for letter in await bus.dead_letters()] == [1, 3]

    asyncio.run(scenario())


@pytest.mark.parametrize(("sequences", "every"), [([], False), ([1], True)])
def test_neither_numbers_nor_all_or_both_is_refused_and_changes_nothing(sequences: list[int], every: bool) -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(1)
        for change in (replayed, dropped):
            with pytest.raises(InputError, match="one of the two"):
                await change(bus, sequences, every)
        assert len(await bus.dead_letters()) == 1

    asyncio.run(scenario())


def test_help_names_the_three_commands() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(command in result.output for command in ("list", "replay", "drop"))
