from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.csv_cells import NOTHING, cell_value, decoded, typed
from dissonance.decisions.scoring_rows import read_rows
from dissonance.errors import MalformedRow
from dissonance.science.arrays import Matrix

NUMBER = Feature("n", FeatureKind.NUMBER, missing_allowed=True)
WHOLE = Feature("w", FeatureKind.INTEGER, missing_allowed=True)
TEXT = Feature("t", FeatureKind.CATEGORY, missing_allowed=True, categories=("a", "NA", "1"))
CODE = Feature("c", FeatureKind.CATEGORY, missing_allowed=True, categories=(1, 2, 10))
TRUTH = Feature("b", FeatureKind.CATEGORY, missing_allowed=True, categories=(False, True))
MIXED = Feature("m", FeatureKind.CATEGORY, missing_allowed=True, categories=(1, "x", True))
SCHEMA = FeatureSchema((NUMBER, WHOLE, TEXT, CODE, TRUTH, MIXED))

SOME_CELLS = "|1|1.0|2|10|01| 1 |1e3|0x1F|1_0|inf|nan|NA|a|x|true|False|é|-0|1e20"
CELLS = st.sampled_from(SOME_CELLS.split("|"))


@pytest.mark.parametrize(
    ("feature", "text", "value"),
    [
        (NUMBER, "1.5", 1.5),
        (NUMBER, " 1.5", 1.5),
        (NUMBER, "", None),
        (NUMBER, "NaN", None),
        (NUMBER, "inf", math.inf),
        (NUMBER, "0x1F", "0x1F"),
        (NUMBER, "1_000", "1_000"),
        (NUMBER, "many", "many"),
        (TEXT, "NA", "NA"),
        (TEXT, "N/A", None),
        (TEXT, "1", "1"),
        (CODE, "2.0", 2),
        (CODE, "010", 10),
        (CODE, "2.5", 2.5),
        (CODE, "two", "two"),
        (TRUTH, "TRUE", True),
        (TRUTH, "yes", "yes"),
        (MIXED, "1", 1),
        (MIXED, "x", "x"),
    ],
)
def test_cell_is_read_as_the_schema_says(feature: Feature, text: str, value: object) -> None:
    found = cell_value(feature, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", sorted(NOTHING))
def test_what_stands_for_nothing_is_missing(text: str) -> None:
    assert cell_value(NUMBER, text) is None


def test_bytes_that_are_no_text_are_a_malformed_row() -> None:
    with pytest.raises(MalformedRow, match="UTF-8"):
        decoded(b"\xff", "rows[0].t")


def test_columns_become_numbers_and_categories() -> None:
    table = pa.table(
        {name: pa.array(cells, pa.binary()) for name, cells in {"n": [b"1", b""], "t": [b"a", b"NA"]}.items()}
    )
    found = typed(FeatureSchema((NUMBER, TEXT)), table)
    assert found.to_pydict() == {"n": [1.0, None], "t": ["a", "NA"]}


@given(st.lists(st.tuples(*[CELLS] * len(SCHEMA.features)), max_size=8))
def test_a_row_is_read_alike_whatever_rows_are_beside_it(rows: list[tuple[str, ...]]) -> None:
    together, bad = read(rows)
    alone = [read([row]) for row in rows]
    nothing = np.empty((0, len(SCHEMA.features)))
    assert np.array_equal(together, np.concatenate([nothing, *(matrix for matrix, _ in alone)]), equal_nan=True)
    assert bad == [(position, *found[0][1:]) for position, (_, found) in enumerate(alone) if found]


def read(rows: list[tuple[str, ...]]) -> tuple[Matrix, list[tuple[int, str | None, str]]]:
    columns = [[row[index].encode() for row in rows] for index in range(len(SCHEMA.features))]
    table = pa.table([pa.array(column, pa.binary()) for column in columns], names=list(SCHEMA.names))
    found = read_rows(SCHEMA, table, text_cells=True, stop_at_first=False)
    return found.matrix, [(each.position, each.column, each.error.slug) for each in found.bad]
