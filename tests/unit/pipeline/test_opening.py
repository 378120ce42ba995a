"""Rows that are opened while the keys of the next are on their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task
from dissonance.errors import EngineUnavailable, SealBroken
from dissonance.pipeline.opening import CHUNK_ROWS, MOST_KEYS, Chunk, chunks, opened
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
        return await opened(place, TASK, chunks(rows), lambda chunk, keys: list(keys)), made

    found, made = asyncio.run(story())
    assert found == [made.get(each) for each in rows]


def test_no_rows_ask_for_no_keys() -> None:
    place = workshop()
    place.keys.available = False
    assert asyncio.run(opened(place, TASK, chunks([]), lambda chunk, keys: [chunk])) == []


def test_keys_that_are_away_end_it() -> None:
    place = workshop()
    place.keys.available = False
    with pytest.raises(EngineUnavailable):
        asyncio.run(opened(place, TASK, chunks(PEOPLE), lambda chunk, keys: [chunk]))


def test_a_row_that_does_not_open_ends_it() -> None:
    def refuse(chunk: Chunk, keys: Sequence[bytes | None]) -> list[bytes]:
        raise SealBroken("changed", where=f"row {chunk.rows.start}", fix="restore it")

    with pytest.raises(SealBroken, match="row 0"):
        asyncio.run(opened(workshop(), TASK, chunks(PEOPLE * CHUNK_ROWS), refuse))


def test_a_store_that_goes_away_between_parts_ends_it_and_what_was_read_is_let_go_of() -> None:
    let_go = []

    async def breaks_off() -> AsyncGenerator[Chunk, None]:
        try:
            yield Chunk(PEOPLE, slice(0, 3))
            raise EngineUnavailable("away", where="store", fix="start it")
        finally:
            let_go.append("store")

    with pytest.raises(EngineUnavailable, match="away"):
        asyncio.run(opened(workshop(), TASK, breaks_off(), lambda part, keys: [part]))
    assert let_go == ["store"]


def test_a_row_that_does_not_open_ends_the_reading_of_those_that_follow() -> None:
    let_go = []

    async def endless() -> AsyncGenerator[Chunk, None]:
        try:
            while True:
                await asyncio.sleep(0.001)
                yield Chunk(PEOPLE, slice(0, 3))
        finally:
            let_go.append("store")

    def refuse(part: Chunk, keys: Sequence[bytes | None]) -> list[bytes]:
        raise SealBroken("changed", where="row 0", fix="restore it")

    with pytest.raises(SealBroken):
        asyncio.run(opened(workshop(), TASK, endless(), refuse))
    assert let_go == ["store"]


@pytest.mark.parametrize("sizes", [[1, 1, 1, 1, 1], [1, 3, 2, 7, 1], [CHUNK_ROWS, 1, MOST_KEYS, CHUNK_ROWS, 5]])
def test_parts_of_any_size_are_each_opened_once_and_in_order(sizes: list[int]) -> None:
    place, asked = workshop(), list[int]()

    async def parts() -> AsyncGenerator[Chunk, None]:
        for number, size in enumerate(sizes):
            yield Chunk([PEOPLE[number % 3]] * size, slice(number, number + 1))

    def open_part(part: Chunk, keys: Sequence[bytes | None]) -> list[int]:
        asked.append(len(keys))
        return [part.rows.start]

    assert asyncio.run(opened(place, TASK, parts(), open_part)) == list(range(len(sizes)))
    assert asked == sizes
