"""Rows that are opened while the keys of the next are on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task
from dissonance.errors import EngineUnavailable, SealBroken
from dissonance.pipeline.opening import CHUNK_ROWS, opened
from support.workshop import workshop

TASK = Task(
    task_id="ab" * 16,
    name="opened",
    schema=FeatureSchema((Feature("x", FeatureKind.NUMBER),)),
    classes=(0, 1),
    target="y",
    created_at_us=0,
    source_digest="0" * 64,
)
PEOPLE = [bytes([number]) * 16 for number in range(3)]


def test_rows_of_several_chunks_come_in_order_each_with_the_key_of_its_person() -> None:
    place = workshop()
    rows = [PEOPLE[number % 3] for number in range(CHUNK_ROWS + 5)]

    async def story() -> tuple[list[bytes | None], dict[bytes, bytes]]:
        made = await place.keys.obtain(TASK.task_id, PEOPLE[:2])
        return await opened(place, TASK, rows, lambda keys, chunk: list(keys)), made

    found, made = asyncio.run(story())
    assert found == [made.get(each) for each in rows]


def test_no_rows_ask_for_no_keys() -> None:
    place = workshop()
    place.keys.available = False
    assert asyncio.run(opened(place, TASK, [], lambda keys, chunk: [chunk])) == []


def test_keys_that_are_away_end_it() -> None:
    place = workshop()
    place.keys.available = False
    with pytest.raises(EngineUnavailable):
        asyncio.run(opened(place, TASK, PEOPLE, lambda keys, chunk: [chunk]))


def test_a_row_that_does_not_open_ends_it() -> None:
    def refuse(keys: Sequence[bytes | None], chunk: slice) -> list[bytes]:
        raise SealBroken("changed", where=f"row {chunk.start}", fix="restore it")

    with pytest.raises(SealBroken, match="row 0"):
        asyncio.run(opened(workshop(), TASK, PEOPLE * CHUNK_ROWS, refuse))
