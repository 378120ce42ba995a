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
    limit = context.policy.max_rows_per_request
    if len(rows) > limit:
        raise TooManyRows(
            f"{len(rows)} rows; one request may hold {limit}", where="rows", fix=f"send at most {limit} rows a request"
        )
    if not rows:
        raise MalformedBody("there is no row", where="rows", fix="send at least one row")
    return context.encoder.encode(rows)


def arrivals_of(context: TaskContext, rows: Sequence[Row], keys: DataSubjectKeys, now_us: int) -> Arrivals:
    """Raises an `InputError` that names row and field."""
    features = features_of(context, rows)
    task = context.task
    return Arrivals(features, _event_times(task, rows, now_us), _data_subjects(task, rows, keys, now_us))


def _event_times(task: Task, rows: Sequence[Row], now_us: int) -> list[int]:
    """The task's time column where a row has it; the time of arrival where not."""
    column = task.time_column
    if column is None:
        return [now_us] * len(rows)
    return [
        now_us if (value := row.get(column)) is None else to_us(value, f"rows[{number}].{column}")
        for number, row in enumerate(rows)
    ]


def _data_subjects(task: Task, rows: Sequence[Row], keys: DataSubjectKeys, now_us: int) -> list[bytes]:
    """Rows about nobody in particular share one key of their task and day (ADR on sealing by row)."""
    column = task.data_subject_column
    if column is None:
        nobody = keys.data_subject_hash(task.task_id, f"day:{to_text(now_us)[:10]}")
        return [nobody] * len(rows)
    return [
        keys.data_subject_hash(task.task_id, _identifier(row.get(column), f"rows[{number}].{column}"))
        for number, row in enumerate(rows)
    ]


def _identifier(value: object, where: str) -> str:
    """The same person is the same text, whether it came as text or as a number."""
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
