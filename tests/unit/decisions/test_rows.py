"""Rows of JSON become the matrix, or a refusal that says where and what is allowed there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.rows import RowEncoder, category_codes, category_sizes, encode_value, widths_outside
from dissonance.errors import InputError, MissingField, NotFinite, UnknownField, UnseenCategory, WrongType

SCHEMA = FeatureSchema(
    (
        Feature("age", FeatureKind.INTEGER, minimum=16.0, maximum=94.0),
        Feature("income", FeatureKind.NUMBER, missing_allowed=True, minimum=-10.0, maximum=1e5),
        Feature("sex", FeatureKind.CATEGORY, categories=(1, 2)),
        Feature("work", FeatureKind.CATEGORY, missing_allowed=True, categories=("clerk", "farmer", "none")),
    )
)
ROW: dict[str, Any] = {"age": 30, "income": 12.5, "sex": 2, "work": "farmer"}
ENCODED = [30.0, 12.5, 1.0, 1.0]
ENCODER = RowEncoder(SCHEMA, extra=("when", "person", None))


def encode(**changed: Any) -> list[float]:
    """The second of two rows, changed."""
    return [float(value) for value in ENCODER.encode([ROW, {**ROW, **changed}])[1]]


def refusal(error: type[InputError], **changed: Any) -> InputError:
    with pytest.raises(error) as caught:
        encode(**changed)
    return caught.value


def test_rows_become_a_matrix_in_schema_order_whatever_the_order_of_their_fields() -> None:
    matrix = ENCODER.encode([ROW, dict(reversed(ROW.items()))])
    assert matrix.tolist() == [ENCODED, ENCODED]
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous


def test_no_rows_make_an_empty_matrix() -> None:
    assert ENCODER.encode([]).shape == (0, 4)


def test_time_and_data_subject_may_come_along_and_are_not_looked_at() -> None:
    assert encode(when="2018-01-01", person={"any": "thing"}) == ENCODED


def test_null_is_a_missing_value_where_the_reference_data_had_some() -> None:
    row = encode(income=None, work=None)
    assert row[0] == 30.0
    assert math.isnan(row[1])
    assert math.isnan(row[3])


def test_a_number_without_a_fraction_is_an_integer_however_it_is_written() -> None:
    assert encode(age=30.0, sex=2.0, income=12) == [30.0, 12.0, 1.0, 1.0]


def test_one_column_is_enough() -> None:
    schema = FeatureSchema((SCHEMA.features[0],))
    assert RowEncoder(schema).encode([{"age": 20}, {"age": 21}]).tolist() == [[20.0], [21.0]]


def test_an_unknown_field_is_named_with_the_one_that_was_meant() -> None:
    error = refusal(UnknownField, incom=3)
    assert error.where == "rows[1].incom"
    assert "'income'" in error.fix


def test_a_field_like_no_other_is_answered_with_the_fields_there_are() -> None:
    assert "age, income, person, sex, when, work" in refusal(UnknownField, zzz=3).fix


def test_a_missing_field_is_an_error_even_where_null_is_allowed() -> None:
    row = {name: value for name, value in ROW.items() if name != "income"}
    with pytest.raises(MissingField) as caught:
        ENCODER.encode([ROW, ROW, ROW, row])
    assert caught.value.where == "rows[3].income"
    assert "null" in caught.value.fix


def test_null_is_refused_where_no_value_was_missing() -> None:
    error = refusal(WrongType, age=None)
    assert error.where == "rows[1].age"
    assert "16 to 94" in error.fix


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age", "30"),
        ("age", 30.5),
        ("age", True),
        ("age", [30]),
        ("income", "12"),
        ("income", False),
        ("income", {}),
        ("sex", True),
        ("sex", "1"),
        ("sex", 1.5),
        ("sex", [1]),
        ("work", 1),
        ("work", False),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(field: str, value: Any) -> None:
    error = refusal(WrongType, **{field: value})
    assert error.where == f"rows[1].{field}"
    assert error.fix.startswith("send ")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
@pytest.mark.parametrize("field", ["age", "income"])
def test_numbers_that_are_not_finite_are_refused(field: str, value: float) -> None:
    assert refusal(NotFinite, **{field: value}).where == f"rows[1].{field}"


def test_nan_is_not_taken_for_a_missing_value_beside_a_real_one() -> None:
    assert refusal(NotFinite, income=math.nan, work=None).where == "rows[1].income"


def test_nan_is_no_category() -> None:
    assert refusal(NotFinite, sex=math.nan).where == "rows[1].sex"


def test_an_unseen_category_of_a_few_is_answered_with_all_of_them() -> None:
    assert refusal(UnseenCategory, sex=3).fix == "send one of 1, 2"
    assert refusal(UnseenCategory, sex=3.0).fix == "send one of 1, 2"


def test_an_unseen_category_of_many_is_answered_with_the_nearest() -> None:
    towns = tuple(f"town {number}" for number in range(20))
    codes = tuple(range(0, 100, 5))
    schema = FeatureSchema(
        (
            Feature("town", FeatureKind.CATEGORY, categories=(*towns, "Boston")),
            Feature("code", FeatureKind.CATEGORY, categories=codes),
        )
    )
    with pytest.raises(UnseenCategory, match="'Bostom'") as caught:
        RowEncoder(schema).encode([{"town": "Bostom", "code": 0}])
    assert "'Boston'" in caught.value.fix
    with pytest.raises(UnseenCategory) as caught:
        RowEncoder(schema).encode([{"town": "Boston", "code": 51}])
    assert caught.value.fix == "the nearest known are 50, 55, 45"
    with pytest.raises(UnseenCategory) as caught:
        RowEncoder(schema).encode([{"town": "qqqqqq", "code": 0}])
    assert caught.value.fix.endswith("and 13 more")


def test_categories_that_only_differ_in_type_are_different() -> None:
    mixed = FeatureSchema((Feature("x", FeatureKind.CATEGORY, categories=(True, 1, 2, "1")),))
    rows = [{"x": value} for value in (True, 1, 2, "1")]
    assert RowEncoder(mixed).encode(rows).ravel().tolist() == [0.0, 1.0, 2.0, 3.0]


def test_float_categories_take_whole_numbers_written_without_a_point() -> None:
    schema = FeatureSchema((Feature("x", FeatureKind.CATEGORY, categories=(0.5, 1.0)),))
    assert RowEncoder(schema).encode([{"x": 1}, {"x": 0.5}]).ravel().tolist() == [1.0, 0.0]


def test_a_long_value_is_not_repeated_whole() -> None:
    assert len(refusal(WrongType, age="x" * 10_000).what) < 200


JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(),
    st.sampled_from([1, 2, 1.0, 2.0, "clerk", "farmer", "1", "", 10**400]),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=1),
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(ROW, JSON)), min_size=1, max_size=4))
def test_the_fast_path_says_what_the_definition_says(rows: list[dict[str, Any]]) -> None:
    try:
        expected = [
            [encode_value(f, category_codes(f), row[f.name], f"rows[{i}].{f.name}") for f in SCHEMA.features]
            for i, row in enumerate(rows)
        ]
    except InputError as error:
        with pytest.raises(type(error)) as caught:
            ENCODER.encode(rows)
        assert str(caught.value) == str(error)
    else:
        np.testing.assert_array_equal(ENCODER.encode(rows), expected)


def test_numbers_outside_the_reference_are_measured_in_widths_of_its_range_and_missing_ones_never() -> None:
    matrix = np.array([[16.0 - 78.0, 12.0, 1.0, 0.0], [94.0, np.nan, 0.0, np.nan], [133.0, 1.5e5 + 5, 1.0, 2.0]])
    np.testing.assert_allclose(
        widths_outside(SCHEMA, matrix), [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]]
    )


def test_a_reference_without_width_counts_as_one_of_width_1() -> None:
    constant = FeatureSchema((Feature("x", FeatureKind.NUMBER, minimum=5.0, maximum=5.0),))
    assert widths_outside(constant, np.array([[5.0], [7.0], [np.inf]])).ravel().tolist() == [0.0, 2.0, np.inf]


def test_models_see_how_many_codes_each_column_has() -> None:
    assert category_sizes(SCHEMA) == (0, 0, 2, 3)
