"""`dissonance dead-letters`: what it asks of the bus and what it shows."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.cli.dead_letters import (
    EVERY,
    PAGE,
    Filter,
    ListedLetter,
    _show,
    _table,
    app,
    chosen,
    described,
    dropped,
    found,
    listed,
    replayed,
)
from dissonance.contracts.codec import encode
from dissonance.contracts.topics import EventKind
from dissonance.errors import InputError
from dissonance.ports.bus import DeadLetter
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
        assert (await replayed(bus, [1, 3])).replayed == [1, 3]
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
        told: list[int] = []
        assert (await dropped(bus, EVERY, told.append)).dropped == [1, 2, 3]
        assert told == [1, 1, 1]
        assert await bus.dead_letters() == [] and await bus.lag("learner", KINDS) == 0

    asyncio.run(scenario())


def test_a_number_that_is_not_there_is_named_and_those_before_it_are_done() -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(3)
        with pytest.raises(InputError, match="no dead letter 9"):
            await dropped(bus, [2, 9, 3])
        assert [letter.sequence for letter in await bus.dead_letters()] == [1, 3]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("sequences", "every", "which"), [([], False, EVERY), ([1], True, EVERY), ([1], False, Filter(consumer="learner"))]
)
def test_what_is_said_not_at_all_or_in_two_ways_is_refused(sequences: list[int], every: bool, which: Filter) -> None:
    with pytest.raises(InputError, match="either numbers"):
        chosen(sequences, every, which)


def test_what_is_said_in_one_way_is_taken() -> None:
    assert chosen([3, 1], False, EVERY) == [3, 1]
    assert chosen([], True, EVERY) == EVERY
    assert chosen([], False, Filter(reason="away")) == Filter(reason="away")
    assert chosen([], True, Filter(reason="away")) == Filter(reason="away")


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        (Filter(reason="reason 1"), [2]),
        (Filter(consumer="learner", kind=EventKind.LABELS_JOINED, task_id=TASK_ID), [1, 2, 3]),
        (Filter(consumer="gate"), []),
        (Filter(kind=EventKind.JUDGED), []),
        (Filter(task_id="0" * 32), []),
    ],
)
def test_those_that_have_something_in_common_are_listed_and_replayed(which: Filter, numbers: list[int]) -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(3)
        assert [letter.sequence for letter in await listed(bus, 10, which)] == numbers
        assert (await replayed(bus, which)).replayed == numbers
        left = [letter.sequence for letter in await bus.dead_letters()]
        assert left == [number for number in (1, 2, 3) if number not in numbers]

    asyncio.run(scenario())


def test_more_than_a_page_is_listed_and_dropped() -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(2 * PAGE + 1)
        assert len(await listed(bus, 2 * PAGE)) == 2 * PAGE
        assert len((await dropped(bus, EVERY)).dropped) == 2 * PAGE + 1
        assert await bus.dead_letters() == []

    asyncio.run(scenario())


def test_one_is_shown_with_the_fields_of_its_event_and_no_row() -> None:
    async def scenario() -> None:
        bus = await bus_with_dead_letters(2)
        shown = described(await found(bus, 2))
        assert (shown.sequence, shown.kind, shown.reason) == (2, "labels_joined", "[red] reason 1")
        assert shown.event["event_id"] == joined(1).event_id
        assert shown.column_lengths == {"prediction_ids": 3, "event_times_us": 3}
        out = io.StringIO()
        _show(Console(file=out, width=200), shown)
        assert "[red] reason 1" in out.getvalue() and "3 of them" in out.getvalue()
        for missing in (-1, 0, 9):
            with pytest.raises(InputError, match="no dead letter"):
                await found(bus, missing)

    asyncio.run(scenario())


def test_one_that_is_no_event_is_shown_with_why_it_cannot_be_read() -> None:
    letter = DeadLetter(4, TASK_ID, EventKind.JUDGED, "learner", "malformed-event", 0, 0, b"garbage")
    shown = described(letter)
    assert shown.unreadable is not None and "not an event" in shown.unreadable
    assert (shown.event, shown.column_lengths, shown.size_bytes) == ({}, {}, 7)
    out = io.StringIO()
    _show(Console(file=out, width=200), shown)
    assert "not readable" in out.getvalue()


def test_help_names_the_four_commands() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(command in result.output for command in ("list", "show", "replay", "drop"))
