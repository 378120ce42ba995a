"""Are the rows of a table answerable? Arrow columns become the matrix that models see, or a typed refusal.

The law: a table and the same rows as JSON objects (`Table.to_pylist`) give the same matrix or the same error as
`decisions.rows.RowEncoder`; a column of a type that JSON has not is a `WrongType`. What is plain is taken a column at a
time; every cell that is out of the ordinary is put before `encode_value`, which is the definition, in the order in
which rows are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.rows import Codes, Matrix, category_codes, encode_value, missing_field, unknown_field
from dissonance.errors import InputError, MalformedBody, WrongType

Mask = NDArray[np.bool_]


class _Column(NamedTuple):
    """n values of one feature as models see them; `odd` marks those that the definition has to decide."""

    values: NDArray[np.float64]
    odd: Mask


class ColumnEncoder:
    """Compiled for one schema; takes tables of any size, and may be shared between threads.

    `extra` are columns that a table may carry beside the features (time, data subject); they are not looked at.

    >>> age = Feature("age", FeatureKind.INTEGER)
    >>> encoder = ColumnEncoder(FeatureSchema((age,)), extra=("id", None))
    >>> encoder.encode(pa.table({"age": [30, 31], "id": ["x", "y"]})).tolist()
    [[30.0], [31.0]]
    """

    def __init__(self, schema: FeatureSchema, extra: Iterable[str | None] = ()) -> None:
        self.schema = schema
        self._allowed = frozenset(schema.names) | {name for name in extra if name is not None}
        self._codes = [category_codes(feature) for feature in schema.features]

    def encode(self, table: pa.Table | pa.RecordBatch, first_row: int = 0) -> Matrix:
        """(n, d), C order, NaN = missing, a category is its code. Null is a missing value; NaN is none, as in JSON.

        `first_row` is the number of the table's first row in errors. Raises `UnknownField`, `MissingField`,
        `WrongType`, `NotFinite` or `UnseenCategory` for the first row that cannot be answered, with the place
        (`rows[3].AGEP`) and with what is allowed there; `MalformedBody` for a name that stands for two columns.
        """
        matrix = np.empty((table.num_rows, len(self.schema.features)))
        if not len(matrix):
            return matrix
        self._check_names(table.column_names, first_row)
        odd: list[NDArray[np.int64]] = []
        for number, (feature, codes) in enumerate(zip(self.schema.features, self._codes, strict=True)):
            if feature.name not in table.column_names:
                odd.append(np.array([[0, number]]))
                continue
            column = _encode_column(feature, codes, one_array(table.column(feature.name)))
            matrix[:, number] = column.values
            rows = np.flatnonzero(column.odd)
            odd.append(np.column_stack([rows, np.full(len(rows), number)]))
        cells = np.concatenate(odd)
        for row, number in cells[np.lexsort((cells[:, 1], cells[:, 0]))].tolist():
            matrix[row, number] = self._decide(table, row, number, f"rows[{first_row + row}]")
        return matrix

    def _check_names(self, names: list[str], first_row: int) -> None:
        for name in names:
            if name not in self._allowed:
                raise unknown_field(name, f"rows[{first_row}]", self._allowed)
        for name in names:
            if names.count(name) > 1:
                raise MalformedBody("the name stands for several columns", where=name, fix="give each its own name")

    def _decide(self, table: pa.Table | pa.RecordBatch, row: int, number: int, where: str) -> float:
        feature = self.schema.features[number]
        if feature.name not in table.column_names:
            raise missing_field(feature, where)
        place, column = f"{where}.{feature.name}", one_array(table.column(feature.name))
        if not is_json(column.type) and column[row].is_valid:
            raise WrongType(
                f"'{feature.name}' is a column of {column.type}", where=place, fix="send numbers, text or booleans"
            )
        return encode_value(feature, self._codes[number], column[row].as_py(), place)


def one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece, its dictionaries made one."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    joined = column.unify_dictionaries().combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def is_json(kind: pa.DataType) -> bool:
    """Whether what the column holds is a scalar of JSON."""
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    return bool(_is_plain(kind) or kinds.is_null(kind) or kinds.is_string_view(kind)) and not kinds.is_dictionary(kind)


def values_of(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Plain values, None for null. One value of a dictionary is one object, however often it is named."""
    array = one_array(column)
    if not kinds.is_dictionary(array.type):
        return list(array.to_pylist())
    values = array.dictionary.to_pylist()
    return [None if index is None else values[index] for index in array.indices.to_pylist()]


def _encode_column(feature: Feature, codes: Codes, array: pa.Array) -> _Column:
    if feature.kind is FeatureKind.CATEGORY and _is_plain(array.type):
        return _encode_category(feature, codes, array)
    if kinds.is_dictionary(array.type) and _is_number(array.type.value_type):
        array = array.dictionary_decode()
    if not _is_number(array.type):
        return _nothing_plain(feature, array)
    missing = _missing(array)
    wide = array.cast(pa.float64()) if kinds.is_floating(array.type) else array
    values = wide.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
    odd = ~np.isfinite(values)
    if feature.kind is FeatureKind.INTEGER:
        odd |= values != np.floor(values)
    values[missing] = np.nan
    return _Column(values, odd if feature.missing_allowed else odd | missing)


def _encode_category(feature: Feature, codes: Codes, array: pa.Array) -> _Column:
    """By the definition, once for every distinct value."""
    if kinds.is_floating(array.type):
        array = array.cast(pa.float64())
    coded = array if kinds.is_dictionary(array.type) else array.dictionary_encode()
    missing = _missing(coded)
    indices = coded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    used = np.unique(indices[~missing])
    known = np.full(max(1, len(coded.dictionary)), np.nan)
    refused = np.zeros(len(known), dtype=np.bool_)
    for index, value in zip(used.tolist(), coded.dictionary.take(pa.array(used)).to_pylist(), strict=True):
        try:
            known[index] = encode_value(feature, codes, value, "")
        except InputError:
            refused[index] = True
    values = np.where(missing, np.nan, known[indices])
    odd = refused[indices] & ~missing
    return _Column(values, odd if feature.missing_allowed else odd | missing)


def _nothing_plain(feature: Feature, array: pa.Array) -> _Column:
    missing = _missing(array)
    odd = np.ones(len(array), dtype=np.bool_) if not feature.missing_allowed else ~missing
    return _Column(np.full(len(array), np.nan), odd)


def _missing(array: pa.Array) -> Mask:
    """A dictionary may name null as one of its values."""
    missing = np.asarray(pc.is_null(array.indices if kinds.is_dictionary(array.type) else array))
    if kinds.is_dictionary(array.type) and array.dictionary.null_count:
        nulls = np.asarray(pc.is_null(array.dictionary))
        indices = array.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        return np.asarray(missing | nulls[indices])
    return missing


def _is_number(kind: pa.DataType) -> bool:
    return bool(kinds.is_integer(kind) or kinds.is_floating(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """What a category may be told in, each value once."""
    if kinds.is_dictionary(kind):
        kind = kind.value_type
        return bool(_is_number(kind) or kinds.is_string(kind) or kinds.is_large_string(kind))
    return bool(_is_number(kind) or kinds.is_boolean(kind) or kinds.is_string(kind) or kinds.is_large_string(kind))
