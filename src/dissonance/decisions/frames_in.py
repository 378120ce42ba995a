"""Data frames as MLflow's clients write them become rows. What a cell may hold is left to `decisions.rows`.

A data frame knows no null in a column of numbers: NaN is a missing value here, and so is an empty cell of CSV unless
the empty text is a category.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

from dissonance.contracts.api import Row
from dissonance.contracts.mlflow_scoring import InvocationsRequest, SplitFrame
from dissonance.contracts.schema import Feature, FeatureKind, Scalar, Task
from dissonance.errors import InputError, MalformedBody

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CheckCount = Callable[[int], None]
"""Raises for a number of rows that is not taken."""


def rows_of_request(body: InvocationsRequest, task: Task, check: CheckCount) -> list[Row]:
    """Raises `MalformedBody`, `WrongType`, or `InputError` for params."""
    given = [form for form in FORMS if getattr(body, form) is not None]
    if len(given) != 1:
        raise MalformedBody(
            f"the body has {' and '.join(given) or 'none'} of {', '.join(FORMS)}", where="body", fix="send exactly one"
        )
    if body.params:
        raise InputError("the model takes no params", where="params", fix="leave them out")
    if body.dataframe_split is not None:
        return _split(body.dataframe_split, check)
    if body.dataframe_records is not None:
        return _records(body.dataframe_records, check)
    if isinstance(body.inputs, dict):
        return _named_columns(body.inputs, check)
    return _listed(body.instances if body.inputs is None else body.inputs, task, given[0], check)


def rows_of_csv(text: str, task: Task, check: CheckCount) -> list[Row]:
    """A header line, then rows. Raises `MalformedBody`.

    A cell is read as its field's kind, as far as it can be; the data subject is text.
    """
    lines = csv.reader(StringIO(text, newline=""), strict=True)
    cells: list[list[str]] = []
    try:
        names = next(lines, [])
        for line in filter(None, lines):
            cells.append(line)
            check(len(cells))  # while they come: no more are read than are taken
    except csv.Error as error:
        raise MalformedBody(f"not CSV: {error}", where=f"line {lines.line_num}", fix="send CSV (RFC 4180)") from error
    check(len(cells))
    _check_names(names, "line 1")
    readers = _readers(names, task)
    rows: list[Row] = []
    for number, line in enumerate(cells):
        _check_width(line, names, f"row {number}")
        rows.append({name: read(cell) for name, read, cell in zip(names, readers, line, strict=True)})
    return rows


def _split(frame: SplitFrame, check: CheckCount) -> list[Row]:
    check(len(frame.data))
    _check_names(frame.columns, "dataframe_split.columns")
    for number, cells in enumerate(frame.data):
        _check_width(cells, frame.columns, f"dataframe_split.data[{number}]")
    return [dict(zip(frame.columns, map(_cell, cells), strict=True)) for cells in frame.data]


def _records(records: Sequence[Row], check: CheckCount) -> list[Row]:
    check(len(records))
    return [{name: _cell(value) for name, value in row.items()} for row in records]


def _named_columns(columns: dict[str, Any], check: CheckCount) -> list[Row]:
    """Columns, or one row when nothing in it is a list."""
    listed = {name: value for name, value in columns.items() if isinstance(value, list)}
    if not listed:
        return _records([columns], check)
    if len(listed) < len(columns) or len({len(column) for column in listed.values()}) > 1:
        raise MalformedBody("the columns are not of one length", where="inputs", fix="send a value of each a row")
    check(len(next(iter(listed.values()))))
    return [dict(zip(listed, map(_cell, values), strict=True)) for values in zip(*listed.values(), strict=True)]


def _listed(items: Sequence[Any] | None, task: Task, form: str, check: CheckCount) -> list[Row]:
    assert items is not None
    check(len(items))
    names = task.schema.names
    rows: list[Row] = []
    for number, item in enumerate(items):
        where = f"{form}[{number}]"
        if isinstance(item, dict):
            rows.append({name: _cell(value) for name, value in item.items()})
            continue
        cells = item if isinstance(item, list) else [item]
        _check_width(cells, names, where)
        rows.append(dict(zip(names, map(_cell, cells), strict=True)))
    return rows


def _cell(value: Any) -> Any:
    """A column of shape (n, 1) has each of its values in a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return None if isinstance(value, float) and math.isnan(value) else value


def _check_names(names: Sequence[str], where: str) -> None:
    if not names or len(set(names)) < len(names):
        raise MalformedBody("the columns have no names of their own", where=where, fix="name each column once")


def _check_width(cells: Sequence[Any], names: Sequence[str], where: str) -> None:
    if len(cells) != len(names):
        raise MalformedBody(
            f"{len(cells)} values came for {len(names)} columns", where=where, fix=f"send {', '.join(names)}"
        )


def _readers(names: Sequence[str], task: Task) -> list[Callable[[str], Scalar | None]]:
    features = {feature.name: feature for feature in task.schema.features}

    def reader(name: str) -> Callable[[str], Scalar | None]:
        feature = features.get(name)
        if feature is not None:
            return lambda cell: _read(cell, feature)
        return _time if name == task.time_column else str

    return [reader(name) for name in names]


def _read(cell: str, feature: Feature) -> Scalar | None:
    if feature.kind is not FeatureKind.CATEGORY:
        return _number(cell) if cell else None
    kinds = {type(category) for category in feature.categories}
    if cell == "" and "" not in feature.categories:
        return None
    if str in kinds:
        return cell
    if bool in kinds and cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    return _number(cell)


def _time(cell: str) -> Scalar | None:
    return _number(cell) if cell else None


def _number(cell: str) -> Scalar:
    """What is no number stays text, and is refused as such."""
    for kind in (int, float) if "_" not in cell else ():  # which Python reads and nobody else does
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
