"""The short way says what the definition says, or nothing."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.json_rows import JsonRows
from dissonance.decisions.rows import RowEncoder
from dissonance.errors import InputError

SCHEMA = FeatureSchema(
    (
        Feature("age", FeatureKind.INTEGER),
        Feature("income", FeatureKind.NUMBER, missing_allowed=True),
        Feature("sex", FeatureKind.CATEGORY, categories=(1, 2)),
        Feature("work", FeatureKind.CATEGORY, missing_allowed=True, categories=("clerk", "farmer")),
        Feature("share", FeatureKind.CATEGORY, categories=(0.5, 1.0)),
    )
)
ROW: dict[str, Any] = {"age": 30, "income": 12.5, "sex": 2, "work": "farmer", "share": 0.5}
ROWS = JsonRows(SCHEMA, extra=("when", "person", "age"))


def body(*rows: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"rows": rows})


def test_rows_are_read_in_the_schemas_order_with_what_comes_along_behind() -> None:
    read = ROWS.read(body(dict(reversed({**ROW, "person": "x"}.items()))))
    assert read == [(30.0, 12.5, 2, "farmer", 0.5, None, "x")]
    assert ROWS.encode(read).tolist() == [[30.0, 12.5, 1.0, 1.0, 0.0]]  # type: ignore[union-attr]
    assert ROWS.as_objects(read) == [{**ROW, "when": None, "person": "x"}]


def test_a_field_that_is_a_feature_and_more_is_found_where_the_feature_is() -> None:
    rows = [(30.0, 12.5, 2, "farmer", 0.5, "today", "x")]
    assert [ROWS.column(rows, name) for name in ("age", "when", "person", None)] == [[30.0], ["today"], ["x"], None]


def test_null_is_a_missing_value_where_the_schema_allows_it() -> None:
    read = ROWS.read(body({**ROW, "income": None, "work": None}))
    assert read is not None
    matrix = ROWS.encode(read)
    assert matrix is not None
    assert [math.isnan(value) for value in matrix[0]] == [False, True, False, True, False]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b'{"rows": 1}',
        b'{"rows": [], "more": 1}',
        b'{"rows": [{}]}',
        b'\xff{"rows": []}',
        body({**ROW, "other": 1}),
        body({**ROW, "age": None}),
        body({**ROW, "age": "30"}),
        body({**ROW, "work": 3}),
        b"[" * 100_000,
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_a_closer_look(bad: bytes) -> None:
    assert ROWS.read(bad) is None


@pytest.mark.parametrize("change", [{"sex": 3}, {"work": "baker"}, {"age": 30.5}, {"share": 0.7}])
def test_a_value_that_may_not_be_is_left_to_a_closer_look(change: dict[str, Any]) -> None:
    read = ROWS.read(body(ROW, {**ROW, **change}))
    assert read is not None
    assert ROWS.encode(read) is None


def test_categories_of_several_kinds_are_always_left_to_a_closer_look() -> None:
    mixed = FeatureSchema((Feature("x", FeatureKind.CATEGORY, categories=(True, 1, "1")),))
    assert JsonRows(mixed).read(body({"x": 1})) is None


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1, 2, 1.0, 2.0, 0.5, "clerk", "farmer", "1", 10**30]),
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(ROW, VALUES)), min_size=1, max_size=4))
def test_what_it_answers_is_what_the_definition_answers(rows: list[dict[str, Any]]) -> None:
    read = ROWS.read(body(*rows))
    matrix = None if read is None else ROWS.encode(read)
    try:
        expected = RowEncoder(SCHEMA).encode(rows)
    except InputError:
        assert matrix is None
    else:
        assert matrix is None or np.array_equal(matrix, expected, equal_nan=True)
