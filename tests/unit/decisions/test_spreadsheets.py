from __future__ import annotations

import pyarrow as pa
import pytest

from dissonance.decisions.spreadsheets import FORMULA, harmless, harmless_table


@pytest.mark.parametrize("first", FORMULA)
def test_a_cell_and_a_name_that_begin_as_a_formula_does_are_marked_as_text(first: str) -> None:
    cell = f"{first}HYPERLINK(A1)"
    assert harmless(cell) == f"'{cell}"
    table = harmless_table(pa.table({cell: [cell, "plain", None]}))
    assert table.to_pydict() == {f"'{cell}": [f"'{cell}", "plain", None]}


@pytest.mark.parametrize("cell", ["-7", "+7", "-7.25", "-1e-7", "", "a=b"])
def test_a_number_as_text_and_what_is_no_formula_stay_as_they_are(cell: str) -> None:
    assert harmless_table(pa.table({"a": [cell]}))["a"].to_pylist() == [cell]


@pytest.mark.parametrize("cell", ["-7+cmd|' /C calc'!A0", "-", "+1+1", "-7\n=1", "@SUM(1)"])
def test_a_formula_that_begins_as_a_number_does_is_marked(cell: str) -> None:
    assert harmless_table(pa.table({"a": [cell]}))["a"].to_pylist() == [f"'{cell}"]


def test_columns_of_numbers_and_the_metadata_are_left_alone() -> None:
    table = pa.table({"a": [-1.5], "b": pa.array(["=1"], pa.large_string())}).replace_schema_metadata({"task": "toy"})
    marked = harmless_table(table)
    assert marked["a"].to_pylist() == [-1.5]
    assert marked["b"].to_pylist() == ["'=1"]
    assert marked.schema == table.schema
    assert marked.schema.metadata == {b"task": b"toy"}
