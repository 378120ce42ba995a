"""Rows as they come in as a table: the same as `roles.arrivals`, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from dissonance.contracts.schema import Task
from dissonance.contracts.times import EARLIEST_US, LATEST_US
from dissonance.decisions.columns_in import ColumnEncoder, is_json, one_array, values_of
from dissonance.errors import WrongType
from dissonance.ports.keys import DataSubjectKeys
from dissonance.roles.arrivals import Arrivals, data_subjects, event_times, require_row_count
from dissonance.roles.catalogue import TaskContext


def arrivals_of_table(context: TaskContext, table: pa.Table, keys: DataSubjectKeys, now_us: int) -> Arrivals:
    """Raises an `InputError` that names row and field."""
    require_row_count(context, table.num_rows)
    task = context.task
    features = ColumnEncoder(task.schema, (task.time_column, task.data_subject_column)).encode(table)
    people = _values(table, task.data_subject_column)
    times = _event_times(task, table, now_us)
    return Arrivals(features, times, data_subjects(task, people, table.num_rows, keys, now_us))


def _event_times(task: Task, table: pa.Table, now_us: int) -> list[int]:
    """Beside what rows of JSON may say, a timestamp or a date; without a zone it is UTC."""
    name = task.time_column
    if name is None or name not in table.column_names:
        return [now_us] * table.num_rows
    column = one_array(table.column(name))
    if not (kinds.is_timestamp(column.type) or kinds.is_date(column.type)):
        return event_times(task, _values(table, name), table.num_rows, now_us)
    # As they are stored, whatever zone a timestamp is shown in: that is UTC.
    stored = column.cast(pa.int32() if kinds.is_date32(column.type) else pa.int64()).to_pylist()
    unit_ns = _unit_ns(column.type)
    times = [None if value is None else value * unit_ns // 1_000 for value in stored]
    for number, time_us in enumerate(times):
        if time_us is not None and not EARLIEST_US <= time_us <= LATEST_US:
            raise WrongType(
                "the time is not in the years 1 to 9999", where=f"rows[{number}].{name}", fix="see the column's unit"
            )
    return [now_us if time_us is None else time_us for time_us in times]


def _unit_ns(kind: pa.DataType) -> int:
    if kinds.is_date(kind):
        return 24 * 3_600 * 1_000_000_000 if kinds.is_date32(kind) else 1_000_000
    return {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}[kind.unit]


def _values(table: pa.Table, name: str | None) -> Sequence[Any] | None:
    """None where the task has no such column; nulls where the table has not. Raises `WrongType`."""
    if name is None:
        return None
    if name not in table.column_names:
        return [None] * table.num_rows
    column = one_array(table.column(name))
    if not is_json(column.type) or kinds.is_string_view(column.type):
        raise WrongType(f"'{name}' is a column of {column.type}", where=f"rows[0].{name}", fix="send text or numbers")
    return values_of(column)
