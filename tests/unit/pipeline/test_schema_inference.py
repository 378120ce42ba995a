"""What a column is taken for, and what it becomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest

from dissonance.contracts.schema import Feature, FeatureKind
from dissonance.decisions.rows import RowEncoder
from dissonance.errors import InvalidDataFile, UnseenCategory
from dissonance.pipeline.schema_inference import MAX_CATEGORIES, encode_frame, infer_schema

NAN = float("nan")


def feature(values: Any, **options: Any) -> Feature:
    return infer_schema(pandas.DataFrame({"x": values, "y": 0}), {"y"}, **options).features[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "a", "b"], Feature("x", FeatureKind.CATEGORY, categories=("a", "b"))),
        (["b", None], Feature("x", FeatureKind.CATEGORY, missing_allowed=True, categories=("b",))),
        ([True, False], Feature("x", FeatureKind.CATEGORY, categories=(False, True))),
        ([3, 1, 3], Feature("x", FeatureKind.CATEGORY, categories=(1, 3))),
        ([3.0, NAN, 1.0], Feature("x", FeatureKind.CATEGORY, missing_allowed=True, categories=(1, 3))),
        (list(range(21)), Feature("x", FeatureKind.INTEGER, minimum=0.0, maximum=20.0)),
        (
            [NAN, *range(21)],
            Feature("x", FeatureKind.INTEGER, missing_allowed=True, minimum=0.0, maximum=20.0),
        ),
        ([1.0, 2.0], Feature("x", FeatureKind.NUMBER, minimum=1.0, maximum=2.0)),
        ([1.5, NAN], Feature("x", FeatureKind.NUMBER, missing_allowed=True, minimum=1.5, maximum=1.5)),
        (pandas.Categorical(["u", "v"]), Feature("x", FeatureKind.CATEGORY, categories=("u", "v"))),
        (
            pandas.array([1, None, 2], dtype="Int64"),
            Feature("x", FeatureKind.CATEGORY, missing_allowed=True, categories=(1, 2)),
        ),
    ],
)
def test_what_a_column_is_taken_for(values: Any, expected: Feature) -> None:
    found = feature(values)
    assert found == expected
    assert [type(each) for each in found.categories] == [type(each) for each in expected.categories]


def test_the_caller_may_say_otherwise() -> None:
    assert feature([1, 2], numeric=["x"]).kind is FeatureKind.INTEGER
    assert feature([1.0, NAN], numeric=["x"]).kind is FeatureKind.INTEGER
    assert feature([1.5, 2.5], numeric=["x"]).kind is FeatureKind.NUMBER
    assert feature(list(range(30)), categorical=["x"]).categories == tuple(range(30))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, float("inf")], "row 1 holds an infinite number"),
        ([1.5, -1e101], "beyond"),
        ([None, None], "no value at all"),
        ([pandas.Timestamp("2018-01-01")] * 2, "datetime64"),
        ([1 + 2j, 3j], "complex"),
        ([["list"], ["list"]], "list"),
    ],
)
def test_columns_that_no_model_can_use_are_refused(values: Any, message: str) -> None:
    with pytest.raises(InvalidDataFile, match=message) as caught:
        feature(values)
    assert caught.value.where == "x"


def test_an_id_is_no_category() -> None:
    with pytest.raises(InvalidDataFile, match="different values") as caught:
        feature([f"id-{number}" for number in range(MAX_CATEGORIES + 1)])
    assert "data subject" in caught.value.fix


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categorical": ["z"]}, "'z' is no column of the file"),
        ({"numeric": ["y"]}, "'y' is no feature"),
        ({"categorical": ["x"], "numeric": ["x"]}, "'x' is to be both"),
    ],
)
def test_overrides_must_name_features_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataFile, match=message):
        feature([1, 2], **options)


def test_an_infinite_number_is_no_category() -> None:
    with pytest.raises(InvalidDataFile, match="infinite"):
        feature([1.0, float("inf")], categorical=["x"])


def test_text_cannot_be_made_a_number() -> None:
    with pytest.raises(InvalidDataFile, match="not numbers"):
        feature(["a", "b"], numeric=["x"])


def test_a_file_of_nothing_but_the_target_is_refused() -> None:
    with pytest.raises(InvalidDataFile, match="learn from"):
        infer_schema(pandas.DataFrame({"y": [1, 2]}), {"y"})


MIXED = pandas.DataFrame(
    {
        "town": ["b", None, "a"],
        "code": [5.0, 7.0, NAN],
        "flag": [True, False, True],
        "amount": [1.5, NAN, -2.0],
        "age": pandas.Series(range(3)),
    }
)


def test_a_file_is_encoded_as_its_rows_would_be_at_the_api() -> None:
    schema = infer_schema(MIXED, (), numeric=["age"])
    rows = [
        {"town": "b", "code": 5, "flag": True, "amount": 1.5, "age": 0},
        {"town": None, "code": 7, "flag": False, "amount": None, "age": 1},
        {"town": "a", "code": None, "flag": True, "amount": -2.0, "age": 2},
    ]
    encoded = encode_frame(schema, MIXED)
    np.testing.assert_array_equal(encoded, RowEncoder(schema).encode(rows))
    np.testing.assert_array_equal(encoded[0], [1.0, 0.0, 1.0, 1.5, 0.0])
    assert encoded.flags.c_contiguous


def test_a_file_of_other_columns_or_categories_is_refused() -> None:
    schema = infer_schema(MIXED, ())
    with pytest.raises(InvalidDataFile, match="'town'"):
        encode_frame(schema, MIXED.drop(columns="town"))
    with pytest.raises(UnseenCategory, match="'z'"):
        encode_frame(schema, MIXED.assign(town="z"))
