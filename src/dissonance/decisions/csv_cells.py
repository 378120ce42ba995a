"""Cells of a CSV file as the task's schema reads them: text becomes a number, a category or nothing.

A column at a time where all of it can be read, else cell by cell; both read a cell alike. What cannot be read stays
text, so that the encoder of rows says what is wrong with it.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Scalar
from dissonance.errors import MalformedRow

NAMES_OF_NOTHING = "|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null"
NOTHING = frozenset(NAMES_OF_NOTHING.split("|"))
"""What stands for a missing value, as it does for `task create` (pandas' list)."""

TRUTHS = {"true": True, "false": False}


def cell_value(feature: Feature, text: str) -> Scalar | None:
    """One cell as a row of JSON would have it.

    >>> cell_value(Feature("sex", FeatureKind.CATEGORY, categories=(1, 2)), "2.0")
    2
    >>> cell_value(Feature("state", FeatureKind.CATEGORY, categories=("MA", "NA")), "NA")
    'NA'
    """
    if feature.kind is not FeatureKind.CATEGORY:
        return None if text in NOTHING else _number(text)
    if text in feature.categories:
        return text
    if text in NOTHING:
        return None
    kinds = {type(category) for category in feature.categories}
    if bool in kinds and text.lower() in TRUTHS:
        return TRUTHS[text.lower()]
    if not kinds & {int, float}:
        return text
    number = _number(text)
    return int(number) if isinstance(number, float) and number.is_integer() and int in kinds else number


def decoded(cell: bytes, where: str) -> str:
    """Raises `MalformedRow` when the bytes are not UTF-8."""
    try:
        return cell.decode()
    except UnicodeDecodeError as error:
        raise MalformedRow(f"the cell is not UTF-8: {error.reason}", where=where, fix="write it as UTF-8") from error


def typed(schema: FeatureSchema, table: pa.Table) -> pa.Table:
    """The features of a table of binary cells. Raises `pa.ArrowInvalid` when a column cannot be read whole."""
    columns = {feature.name: _column(feature, table.column(feature.name)) for feature in schema.features}
    return pa.table(columns)


def _column(feature: Feature, cells: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    text = cells.cast(pa.string())
    if feature.kind is not FeatureKind.CATEGORY:
        nothing = pc.is_in(text, value_set=pa.array(sorted(NOTHING)))
        return pc.utf8_trim_whitespace(pc.if_else(nothing, None, text)).cast(pa.float64())
    coded = text.combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    values = [cell_value(feature, each) for each in coded.dictionary.to_pylist()]
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1:
        raise pa.ArrowInvalid("values of several types have no column")
    return pa.array(values).take(coded.indices)


def _number(text: str) -> float | str:
    """As Arrow reads numbers, so that a cell is the same whether its column is read whole or not."""
    try:
        return float(pc.utf8_trim_whitespace(pa.scalar(text)).cast(pa.float64()).as_py())
    except pa.ArrowInvalid:
        return text
