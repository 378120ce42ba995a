"""One tensor a field, or one matrix of numbers, become the rows that JSON would have been."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task
from dissonance.decisions.tensor_rows import fields_of, row_count, rows_of
from dissonance.decisions.tensors import Tensor
from dissonance.errors import MalformedBody, WrongType

NUMBERS = (
    Feature("age", FeatureKind.INTEGER),
    Feature("income", FeatureKind.NUMBER, missing_allowed=True),
)
WORK = Feature("work", FeatureKind.CATEGORY, missing_allowed=True, categories=("clerk", "farmer"))


def task(*features: Feature) -> Task:
    return Task(
        task_id="0" * 32,
        name="toy",
        schema=FeatureSchema(features),
        classes=("no", "yes"),
        target="y",
        created_at_us=0,
        source_digest="",
        time_column="at",
        data_subject_column="person",
    )


TABLE, MATRIX = task(*NUMBERS, WORK), task(*NUMBERS)


def column(name: str, datatype: str, *values: Any, wide: bool = False) -> Tensor:
    return Tensor(name, datatype, (len(values), 1) if wide else (len(values),), list(values))


def test_columns_become_rows_whether_flat_or_of_width_one() -> None:
    tensors = [column("age", "INT64", 30, 31), column("work", "BYTES", "clerk", "farmer", wide=True)]
    assert rows_of(tensors, TABLE) == [{"age": 30, "work": "clerk"}, {"age": 31, "work": "farmer"}]


def test_nan_and_an_empty_text_are_missing_values() -> None:
    tensors = [column("income", "FP64", math.nan), column("work", "BYTES", ""), column("at", "BYTES", "")]
    assert rows_of(tensors, TABLE) == [{"income": None, "work": None, "at": None}]


def test_an_empty_text_stays_one_where_it_is_a_category_or_nothing_may_be_missing() -> None:
    named = Feature("work", FeatureKind.CATEGORY, missing_allowed=True, categories=("", "clerk"))
    strict = Feature("work", FeatureKind.CATEGORY, categories=("clerk",))
    for feature in (named, strict):
        assert rows_of([column("work", "BYTES", "")], task(feature)) == [{"work": ""}]


def test_a_matrix_is_read_by_the_order_of_the_schema_with_time_and_person_beside_it() -> None:
    tensors = [Tensor("input-0", "FP64", (2, 2), [30.0, 1.5, 31.0, math.nan]), column("person", "INT64", 7, 8)]
    assert rows_of(tensors, MATRIX) == [
        {"age": 30.0, "income": 1.5, "person": 7},
        {"age": 31.0, "income": None, "person": 8},
    ]


def test_a_matrix_is_refused_where_a_feature_is_a_category() -> None:
    with pytest.raises(WrongType) as caught:
        rows_of([Tensor("input-0", "FP64", (1, 3), [1.0, 2.0, 3.0])], TABLE)
    assert caught.value.fix == "send one tensor for each of age, income, work"


def test_a_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(MalformedBody, match="3 columns, the schema 2"):
        rows_of([Tensor("input-0", "FP64", (1, 3), [1.0, 2.0, 3.0])], MATRIX)


def test_a_wide_tensor_of_one_field_is_refused() -> None:
    with pytest.raises(MalformedBody, match="'age'"):
        rows_of([Tensor("age", "FP64", (1, 2), [1.0, 2.0])], TABLE)


def test_two_tensors_of_one_name_are_refused() -> None:
    with pytest.raises(MalformedBody, match="same name"):
        rows_of([column("age", "INT64", 1), column("age", "INT64", 2)], TABLE)


def test_tensors_of_different_lengths_are_refused() -> None:
    with pytest.raises(MalformedBody, match="different numbers of rows"):
        row_count([column("age", "INT64", 1), column("income", "FP64", 1.0, 2.0)])
    assert row_count([]) == 0


def test_metadata_asks_for_what_holds_every_value_of_the_field() -> None:
    coded = Feature("sex", FeatureKind.CATEGORY, categories=(1, 2))
    coded_or_missing = Feature("race", FeatureKind.CATEGORY, categories=(1, 2), missing_allowed=True)
    flag = Feature("flag", FeatureKind.CATEGORY, categories=(False, True))
    assert fields_of(task(*NUMBERS, WORK, coded, coded_or_missing, flag)) == [
        ("age", "INT64"),
        ("income", "FP64"),
        ("work", "BYTES"),
        ("sex", "INT64"),
        ("race", "FP64"),
        ("flag", "BOOL"),
        ("person", "BYTES"),
        ("at", "BYTES"),
    ]
