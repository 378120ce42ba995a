"""Which rows of a part can be answered, and what is wrong with each other one.

All at once while every row is good; else a stretch at a time, and in a stretch with a bad row, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dissonance.contracts.schema import FeatureSchema
from dissonance.decisions.columns_in import ColumnEncoder
from dissonance.decisions.csv_cells import cell_value, decoded, typed
from dissonance.decisions.rows import Row, RowEncoder
from dissonance.errors import InputError, MalformedRow
from dissonance.science.arrays import Matrix

STRETCH_ROWS = 512


class BadRow(NamedTuple):
    """`position` in the part; `column` is None when the row as a whole is bad."""

    position: int
    column: str | None
    error: InputError


class ReadRows(NamedTuple):
    """`matrix` (m, d) of the rows at the positions `good` (m,)."""

    matrix: Matrix
    good: NDArray[np.int64]
    bad: list[BadRow]


def read_rows(
    schema: FeatureSchema, table: pa.Table, *, text_cells: bool, stop_at_first: bool, keys: Sequence[str] = ()
) -> ReadRows:
    """`text_cells`: the columns are binary, as a CSV file has them; then `keys` must be text as well. Null and NaN are
    both missing, as they are for `task create`. With `stop_at_first` what comes after the first bad row is left out."""
    whole = _columns(schema, keys, text_cells)
    matrix = whole(table)
    if matrix is not None:
        return ReadRows(matrix, np.arange(len(matrix)), [])
    rows, bad = RowEncoder(schema), []
    matrices, good = [], []
    for start in range(0, table.num_rows, STRETCH_ROWS):
        stretch = table.slice(start, STRETCH_ROWS)
        matrix = whole(stretch)
        if matrix is not None:
            matrices.append(matrix)
            good.append(np.arange(start, start + len(matrix)))
            continue
        for position, row in enumerate(_rows(schema, keys, stretch, text_cells), start):
            try:
                matrices.append(rows.encode([_or_raise(row)]))
                good.append(np.array([position]))
            except InputError as error:
                bad.append(BadRow(position, _column_of(error), error))
                if stop_at_first:
                    return _joined(schema, matrices, good, bad)
    return _joined(schema, matrices, good, bad)


def _joined(
    schema: FeatureSchema, matrices: list[Matrix], good: list[NDArray[np.int64]], bad: list[BadRow]
) -> ReadRows:
    nothing = np.empty((0, len(schema.features)))
    return ReadRows(np.concatenate([nothing, *matrices]), np.concatenate([np.empty(0, np.int64), *good]), bad)


def _columns(schema: FeatureSchema, keys: Sequence[str], text_cells: bool) -> Callable[[pa.Table], Matrix | None]:
    """What reads a table at once, or gives None when a row of it needs a closer look."""
    encoder = ColumnEncoder(schema)

    def read(table: pa.Table) -> Matrix | None:
        if not table.num_rows:
            return np.empty((0, len(schema.features)))
        try:
            if not text_cells:
                return encoder.encode(_without_nan(table.select(list(schema.names))))
            for name in keys:
                table.column(name).cast(pa.string())
            return encoder.encode(typed(schema, table))
        except (InputError, pa.ArrowInvalid, OverflowError):
            return None

    return read


def _rows(schema: FeatureSchema, keys: Sequence[str], table: pa.Table, text_cells: bool) -> Iterator[Row | InputError]:
    """One by one; or why there is none."""
    if not text_cells:
        yield from _without_nan(table.select(list(schema.names))).to_pylist()
        return
    for cells in table.select(list(dict.fromkeys((*schema.names, *keys)))).to_pylist():
        try:
            texts = {name: decoded(cell, f"rows[0].{name}") for name, cell in cells.items()}
            yield {feature.name: cell_value(feature, texts[feature.name]) for feature in schema.features}
        except MalformedRow as error:
            yield error


def _or_raise(row: Row | InputError) -> Row:
    if isinstance(row, InputError):
        raise row
    return row


def _without_nan(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table.column(index).cast(pa.float64())
            table = table.set_column(index, field.name, pc.if_else(pc.is_nan(column), None, column))
    return table


def _column_of(error: InputError) -> str | None:
    """The encoders tell a place as `rows[3].AGEP`."""
    found = re.fullmatch(r"rows\[\d+\]\.(.*)", error.where, re.DOTALL)
    return found[1] if found else None
