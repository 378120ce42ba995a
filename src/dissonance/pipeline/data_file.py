"""A labelled data file becomes a frame, a target and data subjects, or a refusal that names what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from dissonance.contracts.schema import Scalar
from dissonance.errors import InvalidDataFile

MAX_CLASSES = 100
MIN_ROWS = 200
MIN_ROWS_PER_CLASS = 10


class DataFile(NamedTuple):
    """`digest`: SHA-256 of the file, 64 hex digits; with a row's number (from 0) it is the row's identity."""

    frame: pandas.DataFrame
    digest: str


class Target(NamedTuple):
    """`classes` in the task's order; `indices`: (n,), each row's class."""

    classes: tuple[Scalar, ...]
    indices: NDArray[np.int64]


def read_data_file(path: Path) -> DataFile:
    """Read Parquet or CSV (UTF-8, header line), by its name. Raises `InvalidDataFile`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidDataFile(
            f"the file cannot be read: {error.strerror}", where=str(path), fix="give the path of a readable file"
        ) from error
    try:
        if path.suffix == ".parquet":
            frame = pandas.read_parquet(BytesIO(content))
        elif path.suffix == ".csv":
            frame = pandas.read_csv(BytesIO(content))
        else:
            raise InvalidDataFile(
                f"'{path.suffix}' is no known kind of file", where=str(path), fix="give a .parquet or .csv file"
            )
    except (ValueError, OSError, KeyError) as error:
        raise InvalidDataFile(
            f"the content is not {path.suffix[1:]}: {error}", where=str(path), fix="write the file again"
        ) from error
    frame.columns = [str(name) for name in frame.columns]
    return DataFile(frame, hashlib.sha256(content).hexdigest())


def require_columns(frame: pandas.DataFrame, **names: str | None) -> None:
    """Raises `InvalidDataFile` for a column that is not there, or that is used twice, by the role it was to have."""
    given = {role: name for role, name in names.items() if name is not None}
    for role, name in given.items():
        if name not in frame.columns:
            raise InvalidDataFile(
                f"there is no column '{name}'",
                where=role.replace("_", " "),
                fix=f"name one of {', '.join(frame.columns)}",
            )
    if len(set(given.values())) < len(given):
        raise InvalidDataFile(
            f"one column is named twice: {', '.join(given.values())}", where="columns", fix="name each column once"
        )


def read_target(frame: pandas.DataFrame, column: str) -> Target:
    """Classes are the distinct values, sorted. Raises `InvalidDataFile` when they make no classification problem."""
    series = frame[column]
    _refuse_missing(series, "the target", "drop rows without a label")
    values = natives(series)
    classes = tuple(distinct_scalars(values, column))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise InvalidDataFile(
            f"the target has {len(classes)} different values",
            where=column,
            fix=f"use a target of 2 to {MAX_CLASSES} classes",
        )
    code = {(type(value), value): index for index, value in enumerate(classes)}
    indices = np.array([code[type(value), value] for value in values], dtype=np.int64)
    counts = np.bincount(indices, minlength=len(classes))
    if len(frame) < MIN_ROWS or counts.min() < MIN_ROWS_PER_CLASS:
        raise InvalidDataFile(
            f"{len(frame)} rows, of which {counts.min()} of class {classes[int(counts.argmin())]!r}, are too few",
            where=column,
            fix=f"give at least {MIN_ROWS} rows, and {MIN_ROWS_PER_CLASS} of each class",
        )
    return Target(classes, indices)


def read_data_subjects(data: DataFile, column: str | None) -> list[str]:
    """The data subject of each row; without a column each row is one of its own.

    Raises `InvalidDataFile` when the column has gaps, or is neither text nor whole numbers.
    """
    if column is None:
        return [f"row:{data.digest}:{number}" for number in range(len(data.frame))]
    series = data.frame[column]
    _refuse_missing(series, "the data subject", "give every row the id of whom it is about")
    values = natives(series)
    for number, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise InvalidDataFile(
                f"row {number} has no id of a data subject", where=column, fix="use text or whole numbers as ids"
            )
    return [str(value) for value in values]


def natives(series: pandas.Series[Any]) -> list[Any]:
    """Plain Python values, None for missing; whole numbers are integers where the column has no other."""
    missing = series.isna().to_numpy()
    values = [None if gone else value for value, gone in zip(series.tolist(), missing, strict=True)]
    if pandas.api.types.is_float_dtype(series.dtype) and all(v is None or float(v).is_integer() for v in values):
        return [None if value is None else int(value) for value in values]
    return values


def distinct_scalars(values: Sequence[Any], column: str) -> list[Scalar]:
    """Sorted by type, then value. Raises `InvalidDataFile` for a value that JSON has no scalar for."""
    for value in values:
        if type(value) not in (bool, int, float, str):
            raise InvalidDataFile(
                f"the column holds a {type(value).__name__} ({value!r})",
                where=column,
                fix="use text, numbers or booleans",
            )
    distinct = set(zip(map(type, values), values, strict=True))
    return [value for _, value in sorted(distinct, key=lambda item: (item[0].__name__, item[1]))]


def _refuse_missing(series: pandas.Series[Any], what: str, fix: str) -> None:
    missing = np.flatnonzero(series.isna().to_numpy())
    if len(missing):
        raise InvalidDataFile(
            f"{what} is missing in {len(missing)} rows, first in row {missing[0]}", where=str(series.name), fix=fix
        )
