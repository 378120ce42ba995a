"""A labelled data file becomes a frame, a target and data subjects, or a refusal that names what is wrong with it."""

from __future__ import annotations

import csv
import difflib
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from io import BytesIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from dissonance.contracts.counts import counted
from dissonance.contracts.schema import Scalar
from dissonance.contracts.times import to_us
from dissonance.errors import InvalidDataFile, WrongType
from dissonance.pipeline.file_limits import MOST_BYTES, Room, read_parquet

MAX_CLASSES = 100
MIN_ROWS = 200
MIN_ROWS_PER_CLASS = 10

SHOWN_COLUMNS = 20
"""Names of columns that an error lists; of more it says how many."""


class DataFile(NamedTuple):
    """`digest`: SHA-256 of the file, 64 hex digits; with a row's number (from 0) it is the row's identity."""

    frame: pandas.DataFrame
    digest: str


class Target(NamedTuple):
    """`classes` in the task's order; `indices`: (n,), each row's class."""

    classes: tuple[Scalar, ...]
    indices: NDArray[np.int64]


def read_data_file(path: Path, most_bytes: int = MOST_BYTES) -> DataFile:
    """Read Parquet or CSV (UTF-8, header line), by its name. `most_bytes`: that the rows of a Parquet file may take.

    Raises `InvalidDataFile`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidDataFile(
            f"the file cannot be read: {error.strerror}", where=str(path), fix="give the path of a readable file"
        ) from error
    kind = path.suffix.lower()
    if kind not in READERS:
        raise InvalidDataFile(
            f"'{path.suffix}' is no known kind of file", where=str(path), fix="give a .parquet or .csv file"
        )
    try:
        names, frame = READERS[kind](content, Room(most_bytes), str(path))
    except (ValueError, OSError, KeyError, NotImplementedError, csv.Error) as error:
        raise InvalidDataFile(
            f"the content is not {kind[1:]}: {error}",
            where=str(path),
            fix="write the file again, CSV as UTF-8 with a header line",
        ) from error
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidDataFile(
            f"{counted(len(twice), 'name stands', 'names stand')} for several columns, the first is '{twice[0]}'",
            where=str(path),
            fix="give every column a name of its own",
        )
    frame.columns = names
    return DataFile(frame, hashlib.sha256(content).hexdigest())


def _read_parquet(content: bytes, room: Room, where: str) -> tuple[list[str], pandas.DataFrame]:
    names = pyarrow.parquet.read_schema(BytesIO(content)).names
    if len(set(names)) < len(names):
        return names, pandas.DataFrame(columns=names)
    frame = read_parquet(pa.BufferReader(content), list, room, where).to_pandas()
    return [str(name) for name in frame.columns], frame


def _read_csv(content: bytes, room: Room, where: str) -> tuple[list[str], pandas.DataFrame]:
    """pandas renames a repeated column, and takes the first column for row labels when rows are longer than the header:
    both would feed the model something else than the file says."""
    frame = pandas.read_csv(BytesIO(content))
    lines = csv.reader(TextIOWrapper(BytesIO(content), encoding="utf-8-sig", newline=""))
    header, *first = islice((line for line in lines if line), 2)
    if first and len(first[0]) > len(header):
        raise ValueError(f"rows have {len(first[0])} fields, the header line has {len(header)}")
    return [name or str(given) for name, given in zip(header, frame.columns, strict=True)], frame


READERS: Mapping[str, Callable[[bytes, Room, str], tuple[list[str], pandas.DataFrame]]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
}
"""By the name's ending: the content to the names of its columns, as the file has them, and its rows."""


def require_columns(frame: pandas.DataFrame, **names: str | None) -> None:
    """Raises `InvalidDataFile` for a column that is not there, or that is used twice, by the role it was to have."""
    given = {role: name for role, name in names.items() if name is not None}
    for role, name in given.items():
        if name not in frame.columns:
            raise InvalidDataFile(
                f"there is no column '{name}'",
                where=role.replace("_", " "),
                fix=_columns_to_name(name, list(frame.columns)),
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


def check_times(frame: pandas.DataFrame, column: str | None) -> None:
    """Raises `InvalidDataFile` unless the column holds times as rows at the API have them; some may be missing."""
    if column is None:
        return
    series = frame[column].reset_index(drop=True).dropna()
    if series.empty:
        raise InvalidDataFile("the time column holds no time at all", where=column, fix="leave out --time")
    if pandas.api.types.is_datetime64_any_dtype(series.dtype):
        return
    for row, value in zip(series.index, natives(series), strict=True):
        try:
            to_us(value.isoformat() if isinstance(value, date) else value, column)
        except WrongType as error:
            raise InvalidDataFile(f"row {row} holds no time: {error.what}", where=column, fix=error.fix) from error


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
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidDataFile("the column holds an infinite number", where=column, fix="make it missing or finite")
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
            f"{what} is missing in {counted(len(missing), 'row')}, first in row {missing[0]}",
            where=str(series.name),
            fix=fix,
        )


def _columns_to_name(name: str, columns: list[str]) -> str:
    close = difflib.get_close_matches(name, columns, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    rest = len(columns) - SHOWN_COLUMNS
    return f"name one of {', '.join(columns[:SHOWN_COLUMNS])}" + (f" and {rest} more" if rest > 0 else "")
