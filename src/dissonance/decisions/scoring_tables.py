"""What a scored part looks like: columns of answers, and of rows that could not be answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dissonance.contracts.schema import FeatureSchema, Scalar, Task
from dissonance.decisions.scoring_rows import BadRow
from dissonance.errors import InputError, MalformedRow
from dissonance.ports.scoring import Part
from dissonance.science.arrays import Matrix, Vector

ROW, CLASS, DOUBT, DISSONANCE = "row", "class", "doubt", "dissonance"

REJECTED_COLUMNS = ("column", "error", "what", "fix")
"""Of rejected rows, after the row's number and its keys."""


class Answers(NamedTuple):
    """p (n, k), 1 - c (n,) and D (n,); the last two where a critic was asked."""

    probabilities: Matrix
    doubts: Vector | None = None
    dissonances: Vector | None = None


class OutputTables:
    """`keys` are columns of the input that come along; `text_cells`: they are what a CSV file has."""

    def __init__(self, classes: Sequence[Scalar], keys: Sequence[str], *, text_cells: bool) -> None:
        self._classes = _class_values(classes)
        self._names = probability_columns(classes)
        self._keys = keys
        self._text_cells = text_cells

    def answers(self, rows: NDArray[np.int64], table: pa.Table, answers: Answers) -> pa.Table:
        columns: dict[str, Any] = {ROW: pa.array(rows, pa.int64())}
        columns |= self._keys_of(table)
        columns[CLASS] = self._classes.take(pa.array(answers.probabilities.argmax(axis=1)))
        for index, name in enumerate(self._names):
            columns[name] = pa.array(np.ascontiguousarray(answers.probabilities[:, index]))
        if answers.doubts is not None and answers.dissonances is not None:
            columns[DOUBT] = pa.array(answers.doubts)
            columns[DISSONANCE] = pa.array(answers.dissonances)
        return pa.table(columns)

    def rejected(self, part: Part, bad: Sequence[BadRow]) -> pa.Table:
        """Keys of a broken line are not known."""
        lines = [(int(part.rows[each.position]), each.column, each.error) for each in bad]
        told = [(row, column, error.slug, error.what, error.fix) for row, column, error in lines]
        broken = [(each.row, None, MalformedRow.slug, each.what, "mend the line") for each in part.broken]
        columns: dict[str, Any] = {ROW: pa.array([each[0] for each in (*told, *broken)], pa.int64())}
        rows = part.table.take(pa.array([each.position for each in bad], pa.int64()))
        for name, values in self._keys_of(rows).items():
            columns[name] = pa.chunked_array([*values.chunks, pa.nulls(len(broken), values.type)], values.type)
        for index, name in enumerate(REJECTED_COLUMNS, 1):
            columns[name] = pa.array([each[index] for each in (*told, *broken)], pa.string())
        return pa.table(columns).sort_by(ROW)

    def schemas(self, keys: pa.Schema, *, contradicted: bool) -> tuple[pa.Schema, pa.Schema]:
        """Of answers and of rejected rows; `keys` has the types of the input's key columns."""
        nothing, empty = np.empty(0, dtype=np.int64), keys.empty_table()
        nobody = np.empty(0) if contradicted else None
        answers = self.answers(nothing, empty, Answers(np.empty((0, len(self._classes))), nobody, nobody))
        return answers.schema, self.rejected(Part(0, nothing, empty), ()).schema

    def _keys_of(self, table: pa.Table) -> dict[str, pa.ChunkedArray]:
        make = _readable if self._text_cells else _plain
        return {name: make(table.column(name)) for name in self._keys}


def probability_columns(classes: Sequence[Scalar]) -> list[str]:
    """
    >>> probability_columns(["no", "yes"]), probability_columns([1, "1"])
    (['probability_no', 'probability_yes'], ['probability_1_int', 'probability_1_str'])
    """
    names = [f"probability_{value}" for value in classes]
    if len(set(names)) == len(names):
        return names
    return [f"{name}_{type(value).__name__}" for name, value in zip(names, classes, strict=True)]


def check_keys(task: Task, keys: Sequence[str]) -> None:
    """Raises `InputError` for a key column that would be taken for another column of the output."""
    own = {ROW, CLASS, DOUBT, DISSONANCE, *probability_columns(task.classes), *REJECTED_COLUMNS}
    for name in keys:
        if name in own or keys.count(name) > 1:
            raise InputError(
                f"the output would have two columns '{name}'",
                where="--key",
                fix="name a key once, or rename it",
            )


def needed_columns(schema: FeatureSchema, keys: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((*schema.names, *keys)))


def _class_values(classes: Sequence[Scalar]) -> pa.Array:
    """Of one type where they are of one; else as text."""
    if len({type(value) for value in classes}) == 1:
        return pa.array(classes)
    return pa.array([str(value) for value in classes])


def _readable(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """A key as the file has it. Only a rejected row has bytes that are no text; they are shown as such."""
    try:
        return cells.cast(pa.string())
    except pa.ArrowInvalid:
        texts = [None if cell is None else cell.decode(errors="replace") for cell in cells.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Not by dictionary: parts have several, a file has one."""
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
