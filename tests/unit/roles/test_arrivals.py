"""Rows as they come in: whose they are and when they were, also where the task does not say."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.keys import MemoryDataSubjectKeys
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.schema import Task
from dissonance.errors import UnknownField, WrongType
from dissonance.roles.arrivals import MAX_IDENTIFIER_CHARACTERS, Arrivals, arrivals_of
from dissonance.roles.catalogue import Catalogue, TaskContext
from support.walk import POLICY, TASK, PlainLoader, row

KEYS = MemoryDataSubjectKeys(SeededRandomness())
NOW_US = FixedClock().now_us()
DAY_US = 86_400_000_000
WITHOUT = msgspec.structs.replace(TASK, time_column=None, data_subject_column=None)
BARE = {"x": 0.5, "colour": "red"}


def context_of(task: Task) -> TaskContext:
    async def read() -> TaskContext:
        store = MemoryStore(FixedClock())
        await store.create(task, POLICY)
        return await Catalogue(store, PlainLoader(0.1), MemoryBus(FixedClock())).by_name(task.name)

    return asyncio.run(read())


def arrive(rows: list[dict[str, object]], task: Task = TASK, now_us: int = NOW_US) -> Arrivals:
    return arrivals_of(context_of(task), rows, KEYS, now_us)  # type: ignore[arg-type]


def test_a_task_without_a_time_column_takes_the_time_of_arrival() -> None:
    assert arrive([BARE, BARE], WITHOUT).event_times_us == [NOW_US, NOW_US]


def test_a_row_that_leaves_its_time_out_takes_the_time_of_arrival() -> None:
    rows = [row(at=None), row(at="1970-01-01T00:00:01Z"), row(at=2.5)]
    assert arrive(rows).event_times_us == [NOW_US, 1_000_000, 2_500_000]


def test_rows_about_nobody_share_a_key_with_the_rows_of_their_day_only() -> None:
    first, second = arrive([BARE, BARE], WITHOUT).data_subjects
    (next_day,) = arrive([BARE], WITHOUT, NOW_US + DAY_US).data_subjects
    (same_day,) = arrive([BARE], WITHOUT, NOW_US + 1).data_subjects
    assert first == second == same_day != next_day


def test_fields_that_the_task_does_not_declare_are_refused() -> None:
    for field in ("at", "person"):
        with pytest.raises(UnknownField) as raised:
            arrive([{**BARE, field: "p"}], WITHOUT)
        assert raised.value.where == f"rows[0].{field}"


def test_the_same_person_is_the_same_whether_written_as_text_or_as_a_number() -> None:
    text, number, other = arrive([row(person="17"), row(person=17), row(person="017")]).data_subjects
    assert text == number != other


def test_the_longest_id_is_taken_and_a_longer_one_refused_by_its_row() -> None:
    assert arrive([row(person="x" * MAX_IDENTIFIER_CHARACTERS)]).data_subjects
    with pytest.raises(WrongType) as raised:
        arrive([row(), row(person="x" * (MAX_IDENTIFIER_CHARACTERS + 1))])
    assert raised.value.where == "rows[1].person"
