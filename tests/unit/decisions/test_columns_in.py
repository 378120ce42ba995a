"""A table says what the same rows as JSON say: the same matrix, or the same refusal in the same place."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.columns_in import ColumnEncoder, values_of
from dissonance.decisions.rows import RowEncoder
from dissonance.errors import InputError, MalformedBody, MissingField, UnseenCategory, WrongType

SCHEMA = FeatureSchema(
    (
        Feature("age", FeatureKind.INTEGER, minimum=16.0, maximum=94.0),
        Feature("income", FeatureKind.NUMBER, missing_allowed=True, minimum=-10.0, maximum=1e5),
        Feature("sex", FeatureKind.CATEGORY, categories=(1, 2)),
        Feature("work", FeatureKind.CATEGORY, missing_allowed=True, categories=("clerk", "farmer", "none")),
        Feature("share", FeatureKind.CATEGORY, categories=(0.5, 1.0)),
        Feature("odd", FeatureKind.CATEGORY, missing_allowed=True, categories=(True, 1, 2, "1")),
    )
)
EXTRA = ("when", "person", None)
ROWS, COLUMNS = RowEncoder(SCHEMA, EXTRA), ColumnEncoder(SCHEMA, EXTRA)
GOOD: dict[str, pa.Array] = {
    "age": pa.array([30, 31], pa.int8()),
    "income": pa.array([12.5, None], pa.float32()),
    "sex": pa.array([1, 2], pa.int64()),
    "work": pa.array(["farmer", None]),
    "share": pa.array([0.5, 1.0]),
    "odd": pa.array([1, 2]),
}

INTEGERS = [pa.int8(), pa.uint8(), pa.int16(), pa.int32(), pa.int64(), pa.uint64()]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]


def _values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_dictionary(kind):
        return _values(kind.value_type)
    if kind in INTEGERS:
        return st.sampled_from([0, 1, 2, 3, 30])
    if kind in FLOATS:
        return st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, 30.0, 1.5, float("nan"), float("inf")])
    if kind in TEXTS:
        return st.sampled_from(["clerk", "farmer", "none", "1", "", "other"])
    if kind == pa.bool_():
        return st.booleans()
    if kind == pa.null():
        return st.none()
    return st.sampled_from([[1], []])


PLAIN = [*INTEGERS, *FLOATS, *TEXTS[:2], pa.bool_()]
KINDS = [
    *PLAIN,
    TEXTS[2],
    pa.null(),
    pa.list_(pa.int64()),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.int64()),
    pa.dictionary(pa.int16(), pa.float64()),
]


@st.composite
def columns(draw: st.DrawFn, rows: int, good: pa.Array) -> pa.Array:
    """Mostly what the schema wants, told in any type that holds it."""
    if draw(st.integers(0, 3)):
        wanted = [value for value in good.to_pylist() if value is not None]
        values = draw(st.lists(st.sampled_from([*wanted, *good.to_pylist()]), min_size=rows, max_size=rows))
        fitting = []
        for kind in PLAIN:
            try:
                array = pa.array(values, kind)
            except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
                continue
            fitting.append(array)
        return draw(st.sampled_from(fitting))
    kind = draw(st.sampled_from(KINDS))
    value = st.none() | _values(kind)
    values = draw(st.lists(value, min_size=rows, max_size=rows))
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode()
    return pa.array(values, kind)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    names = [*SCHEMA.names, "when", "person"]
    if draw(st.integers(0, 9)) == 0:
        names.remove(draw(st.sampled_from(names)))
    if draw(st.integers(0, 9)) == 0:
        names.append("unknown")
    names = draw(st.permutations(names))
    pieces = []
    for rows in draw(st.lists(st.integers(0, 3), min_size=1, max_size=2)):
        pieces.append({name: draw(columns(rows, GOOD.get(name, GOOD["work"]))) for name in names})
    whole = {}
    for name in names:
        chunks = [piece[name] for piece in pieces]
        same = [chunk for chunk in chunks if chunk.type == chunks[0].type]
        whole[name] = pa.chunked_array(same if len(same) == len(chunks) else [chunks[0]] * len(chunks))
    lengths = {len(column) for column in whole.values()}
    return pa.table({name: column.slice(0, min(lengths)) for name, column in whole.items()})


@given(tables())
def test_a_table_says_what_its_rows_say(table: pa.Table) -> None:
    rows = table.to_pylist()
    try:
        expected = ROWS.encode(rows)
    except InputError as error:
        with pytest.raises(type(error)) as caught:
            COLUMNS.encode(table)
        assert (type(caught.value), caught.value.where) == (type(error), error.where)
        if "is a column of list" not in caught.value.what:
            assert str(caught.value) == str(error)
    else:
        matrix = COLUMNS.encode(table)
        np.testing.assert_array_equal(matrix, expected)
        assert (matrix.shape, matrix.dtype, matrix.flags.c_contiguous) == (expected.shape, np.float64, True)


def test_columns_become_a_matrix_in_schema_order_whatever_their_own_order() -> None:
    table = pa.table(dict(reversed(GOOD.items())))
    np.testing.assert_array_equal(COLUMNS.encode(table), [[30, 12.5, 0, 1, 0, 1], [31, np.nan, 1, np.nan, 1, 2]])
    np.testing.assert_array_equal(COLUMNS.encode(table.to_batches()[0]), COLUMNS.encode(table))


def test_a_row_is_counted_from_the_first_row_that_was_said() -> None:
    with pytest.raises(UnseenCategory) as caught:
        COLUMNS.encode(pa.table({**GOOD, "sex": pa.array([1, 3])}), first_row=1_000)
    assert caught.value.where == "rows[1001].sex"
    with pytest.raises(MissingField) as missing:
        COLUMNS.encode(pa.table({name: column for name, column in GOOD.items() if name != "sex"}), first_row=1_000)
    assert missing.value.where == "rows[1000].sex"


def test_categories_of_a_dictionary_that_no_row_names_are_not_looked_at() -> None:
    work = pa.DictionaryArray.from_arrays(pa.array([1, 1]), pa.array(["pilot", "clerk"]))
    assert COLUMNS.encode(pa.table({**GOOD, "work": work}))[:, 3].tolist() == [0.0, 0.0]


def test_null_among_the_values_of_a_dictionary_is_a_missing_value() -> None:
    work = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([None, "clerk"]))
    np.testing.assert_array_equal(COLUMNS.encode(pa.table({**GOOD, "work": work}))[:, 3], [np.nan, 0.0])


def test_a_long_text_that_a_dictionary_names_often_is_not_written_out() -> None:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int16()), pa.array(["x" * 10_000_000]))
    values = values_of(long)
    assert len({id(value) for value in values}) == 1
    with pytest.raises(UnseenCategory):
        ColumnEncoder(FeatureSchema((SCHEMA.features[3],))).encode(pa.table({"work": long}))


def test_a_name_that_stands_for_two_columns_is_refused() -> None:
    table = pa.table([*GOOD.values(), GOOD["age"]], names=[*GOOD, "age"])
    with pytest.raises(MalformedBody) as caught:
        COLUMNS.encode(table)
    assert caught.value.where == "age"


def test_a_type_that_json_has_not_is_refused() -> None:
    with pytest.raises(WrongType) as caught:
        COLUMNS.encode(pa.table({**GOOD, "age": pa.array([datetime.date(2020, 1, 1)] * 2)}))
    assert caught.value.where == "rows[0].age"


def test_no_rows_make_an_empty_matrix() -> None:
    assert COLUMNS.encode(pa.table({})).shape == (0, 6)
