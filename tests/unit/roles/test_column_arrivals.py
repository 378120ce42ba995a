"""A table arrives as its rows would: the same features, event times and data subjects."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dissonance.contracts.times import to_us
from dissonance.errors import InputError, MissingField, TooManyRows, WrongType
from dissonance.roles.arrivals import Arrivals, arrivals_of
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.column_arrivals import arrivals_of_table
from support.walk import TASK, Walk

NOW_US = 1_600_000_000_000_000
DAY = datetime.date(2020, 2, 1)
MOMENT = datetime.datetime(2020, 2, 1, 12, 30, 0, 250_000, tzinfo=datetime.UTC)
SECONDS = MOMENT.replace(microsecond=0)


async def opened() -> tuple[Walk, TaskContext]:
    walk = await Walk.open()
    return walk, await walk.catalogue.by_name(TASK.name)


WALK, CONTEXT = asyncio.run(opened())


def columns(**changed: Any) -> pa.Table:
    plain = {"x": [0.5, 1.0], "colour": ["red", None], "person": ["p1", "p2"], "at": [None, "2020-01-01T00:00:00Z"]}
    return pa.table({name: column for name, column in {**plain, **changed}.items() if column is not None})


def arrive(table: pa.Table) -> Arrivals:
    return arrivals_of_table(CONTEXT, table, WALK.keys, NOW_US)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"person": pa.array([12, 13])},
        {"person": pa.array(["p", "p"]).dictionary_encode()},
        {"at": None},
        {"at": pa.array([1.5e9, 3], pa.float64())},
        {"at": pa.array([1_500_000_000, None])},
        {"at": pa.nulls(2)},
    ],
)
def test_a_table_arrives_as_its_rows_would(changed: dict[str, Any]) -> None:
    table = columns(**changed)
    expected = arrivals_of(CONTEXT, table.to_pylist(), WALK.keys, NOW_US)
    came = arrive(table if changed.get("at", "") is not None else table.select(["x", "colour", "person"]))
    np.testing.assert_array_equal(came.features, expected.features)
    assert came[1:] == expected[1:]


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        (pa.timestamp("s"), SECONDS),
        (pa.timestamp("ms"), MOMENT),
        (pa.timestamp("us", tz="Europe/Berlin"), MOMENT),
        (pa.timestamp("ns", tz="UTC"), MOMENT),
        (pa.date32(), DAY),
        (pa.date64(), DAY),
    ],
)
def test_a_timestamp_is_its_moment_and_null_is_the_time_of_arrival(kind: pa.DataType, moment: Any) -> None:
    wanted = to_us(moment.isoformat(), "at")
    zoned = kind == pa.date32() or kind == pa.date64() or kind.tz is not None
    told = moment if zoned else moment.replace(tzinfo=None)
    assert arrive(columns(at=pa.array([told, None], kind))).event_times_us == [wanted, NOW_US]


def test_a_time_that_no_calendar_has_is_refused() -> None:
    with pytest.raises(WrongType) as caught:
        arrive(columns(at=pa.array([0, 2**62]).cast(pa.timestamp("s"))))
    assert caught.value.where == "rows[1].at"


@pytest.mark.parametrize(
    ("changed", "error", "where"),
    [
        ({"person": pa.array(["p", None])}, MissingField, "rows[1].person"),
        ({"person": pa.array([1.5, 2.5])}, WrongType, "rows[0].person"),
        ({"person": pa.array([b"p", b"q"])}, WrongType, "rows[0].person"),
        ({"person": pa.array(["p", "x" * 300])}, WrongType, "rows[1].person"),
        ({"person": None}, MissingField, "rows[0].person"),
        ({"at": pa.array(["2020-01-01", "once"])}, WrongType, "rows[1].at"),
        ({"at": pa.array([[1], [2]])}, WrongType, "rows[0].at"),
    ],
)
def test_what_cannot_be_taken_is_named(changed: dict[str, Any], error: type[InputError], where: str) -> None:
    with pytest.raises(error) as caught:
        arrive(columns(**changed))
    assert caught.value.where == where


def test_more_rows_than_the_policy_allows_are_refused() -> None:
    with pytest.raises(TooManyRows):
        arrive(pa.table({"x": np.zeros(51)}))
