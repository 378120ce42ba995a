"""Data frames in MLflow's forms become the rows that JSON would have been."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from dissonance.contracts.mlflow_scoring import InvocationsRequest
from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task
from dissonance.decisions.frames_in import rows_of_csv, rows_of_request
from dissonance.errors import InputError, MalformedBody, TooManyRows

TASK = Task(
    task_id="0" * 32,
    name="toy",
    schema=FeatureSchema(
        (
            Feature("age", FeatureKind.INTEGER),
            Feature("work", FeatureKind.CATEGORY, missing_allowed=True, categories=("clerk", "farmer")),
        )
    ),
    classes=("no", "yes"),
    target="y",
    created_at_us=0,
    source_digest="",
    time_column="at",
    data_subject_column="person",
)
ROWS = [{"age": 30, "work": "clerk"}, {"age": 31, "work": None}]


def check(count: int) -> None:
    if count > 3:
        raise TooManyRows(f"{count} rows", where="rows")


def read(**body: Any) -> list[dict[str, Any]]:
    return rows_of_request(msgspec.convert(body, InvocationsRequest), TASK, check)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["age", "work"], "data": [[30, "clerk"], [31, None]]}},
        {"dataframe_split": {"index": [5, 6], "columns": ["age", "work"], "data": [[30, "clerk"], [31, math.nan]]}},
        {"dataframe_records": ROWS},
        {"instances": ROWS},
        {"instances": [[30, "clerk"], [31, None]]},
        {"instances": [{"age": [30], "work": ["clerk"]}, {"age": 31, "work": math.nan}]},
        {"inputs": [[30, "clerk"], [31, None]]},
        {"inputs": {"age": [30, 31], "work": ["clerk", None]}},
        {"inputs": {"age": [[30], [31]], "work": [["clerk"], [None]]}, "params": {}},
    ],
)
def test_every_form_says_the_same_rows(body: dict[str, Any]) -> None:
    assert read(**body) == ROWS


def test_columns_that_are_no_lists_are_one_row() -> None:
    assert read(inputs={"age": 30, "work": "clerk"}) == ROWS[:1]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instances": ROWS, "inputs": ROWS},
        {"dataframe_split": {"columns": ["age"], "data": [[30], [31, 32]]}},
        {"dataframe_split": {"columns": ["age", "age"], "data": [[30, 31]]}},
        {"dataframe_split": {"columns": [], "data": [[]]}},
        {"instances": [[30]]},
        {"instances": [30]},
        {"inputs": {"age": [30], "work": ["clerk", None]}},
        {"inputs": {"age": [30], "work": "clerk"}},
    ],
)
def test_what_is_no_frame_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedBody):
        read(**body)


def test_params_are_refused_rather_than_passed_over() -> None:
    with pytest.raises(InputError) as caught:
        read(instances=ROWS, params={"temperature": 0.1})
    assert caught.value.where == "params"


@pytest.mark.parametrize("form", ["dataframe_records", "instances", "inputs"])
def test_rows_are_counted_before_they_are_read(form: str) -> None:
    with pytest.raises(TooManyRows):
        read(**{form: [{"never": "looked at"}] * 4})
    with pytest.raises(TooManyRows):
        read(inputs={"age": [1] * 4})
    with pytest.raises(TooManyRows):
        rows_of_csv("nonsense,nonsense\n" + "1\n" * 4, TASK, check)


def test_csv_is_read_as_the_kinds_of_its_fields() -> None:
    text = 'person,at,age,work\r\n0012,2020-01-01T00:00:00Z,30,clerk\r\n"a,b",0,31.0,\r\nc,,32,"farmer"\r\n\r\n'
    assert rows_of_csv(text, TASK, check) == [
        {"person": "0012", "at": "2020-01-01T00:00:00Z", "age": 30, "work": "clerk"},
        {"person": "a,b", "at": 0, "age": 31.0, "work": None},
        {"person": "c", "at": None, "age": 32, "work": "farmer"},
    ]


def test_csv_cells_that_are_no_number_stay_text_and_empty_ones_are_missing() -> None:
    assert rows_of_csv("age,unknown\nthirty,1\n,2\n3_0,3\n", TASK, check) == [
        {"age": "thirty", "unknown": "1"},
        {"age": None, "unknown": "2"},
        {"age": "3_0", "unknown": "3"},
    ]


def test_csv_categories_are_read_as_what_the_schema_has() -> None:
    kinds: dict[str, tuple[Any, ...]] = {
        "coded": (1, 2),
        "share": (0.5, 1.0),
        "flag": (False, True),
        "text": ("1", ""),
    }
    features = tuple(Feature(name, FeatureKind.CATEGORY, categories=values) for name, values in kinds.items())
    task = msgspec.structs.replace(TASK, schema=FeatureSchema(features))
    text = "coded,share,flag,text\n1,0.5,True,1\n2,1,false,\nx,x,x,x\n"
    assert rows_of_csv(text, task, check) == [
        {"coded": 1, "share": 0.5, "flag": True, "text": "1"},
        {"coded": 2, "share": 1, "flag": False, "text": ""},
        {"coded": "x", "share": "x", "flag": "x", "text": "x"},
    ]


@pytest.mark.parametrize("text", ["", "\n", "age,age\n1,2\n", "age,work\n1\n", 'age\n"1', "age\n1,2\n"])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(MalformedBody):
        rows_of_csv(text, TASK, check)
