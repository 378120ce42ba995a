"""Rows as they come in at a route: fields checked, event time read, data subject turned into its keyed hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.api import Row
from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_text, to_us
from dissonance.errors import (
    EngineUnavailable,
    MalformedBody,
    MissingField,
    ModelNotFound,
    ModelRefused,
    NotFinite,
    TooManyRows,
    UnknownField,
    UnknownTask,
    UnseenCategory,
    WrongType,
)
from dissonance.ports.keys import DataSubjectKeys
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.serving import Matrix

MAX_IDENTIFIER_CHARACTERS = 256

ROW_PROBLEMS = (
    UnknownTask,
    UnknownField,
    MissingField,
    WrongType,
    NotFinite,
    UnseenCategory,
    TooManyRows,
    EngineUnavailable,
    ModelNotFound,
    ModelRefused,
)
"""What every route that takes rows for a model may refuse them with."""


class Arrivals(NamedTuple):
    """n rows: `features` (n, d); the lists have length n."""

    features: Matrix
    event_times_us: list[int]
    data_subjects: list[bytes]


def features_of(context: TaskContext, rows: Sequence[Row]) -> Matrix:
    """(n, d), n at least 1. Raises an `InputError` that names row and field."""
    require_row_count(context, len(rows))
    return context.encoder.encode(rows)


def require_row_count(context: TaskContext, rows: int) -> None:
    """Raises `TooManyRows` or `MalformedBody`."""
    limit = context.policy.max_rows_per_request
    if rows > limit:
        raise TooManyRows(
            f"{rows} rows; one request may hold {limit}", where="rows", fix=f"send at most {limit} rows a request"
        )
    if not rows:
        raise MalformedBody("there is no row", where="rows", fix="send at least one row")


def arrivals_of(context: TaskContext, rows: Sequence[Row], keys: DataSubjectKeys, now_us: int) -> Arrivals:
    """Raises an `InputError` that names row and field."""
    features = features_of(context, rows)
    task = context.task
    times = None if task.time_column is None else [row.get(task.time_column) for row in rows]
    people = None if task.data_subject_column is None else [row.get(task.data_subject_column) for row in rows]
    return Arrivals(
        features,
        event_times(task, times, len(rows), now_us),
        data_subjects(task, people, len(rows), keys, now_us),
    )


def event_times(task: Task, given: Sequence[object] | None, n: int, now_us: int) -> list[int]:
    """Of n rows: what the time column says where it says something; the time of arrival where not. `given` is None
    where the task has no such column."""
    if given is None:
        return [now_us] * n
    return [
        now_us if value is None else to_us(value, f"rows[{number}].{task.time_column}")
        for number, value in enumerate(given)
    ]


def data_subjects(
    task: Task, given: Sequence[object] | None, n: int, keys: DataSubjectKeys, now_us: int
) -> list[bytes]:
    """Their keyed hashes. Rows about nobody in particular (`given` is None) share one key of their task and day (ADR on
    sealing by row)."""
    if given is None:
        return [keys.data_subject_hash(task.task_id, f"day:{to_text(now_us)[:10]}")] * n
    column = task.data_subject_column
    return keys.data_subject_hashes(
        task.task_id, [_identifier(value, number, column) for number, value in enumerate(given)]
    )


def _identifier(value: object, row: int, column: str | None) -> str:
    """The same person is the same text, whether it came as text or as a number."""
    if isinstance(value, str) and 0 < len(value) <= MAX_IDENTIFIER_CHARACTERS:
        return value
    where = f"rows[{row}].{column}"
    if value is None or value == "":
        raise MissingField("the data subject is missing", where=where, fix="send who the row is about")
    if isinstance(value, bool | float) or not isinstance(value, int | str):
        raise WrongType("not the id of a data subject", where=where, fix="send text or an integer")
    text = str(value)
    if len(text) > MAX_IDENTIFIER_CHARACTERS:
        raise WrongType(
            f"the id has {len(text)} characters", where=where, fix=f"send at most {MAX_IDENTIFIER_CHARACTERS}"
        )
    return text
