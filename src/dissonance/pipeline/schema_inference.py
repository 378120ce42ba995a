"""The feature schema of a data file, and the file as the matrix that models see."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray
from pandas.api import types

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.rows import category_codes
from dissonance.errors import InvalidDataFile, UnseenCategory
from dissonance.pipeline.data_file import distinct_scalars, natives

MAX_INTEGER_CATEGORIES = 20
"""Integers of at most so many different values are codes rather than amounts, unless the caller says otherwise."""

MAX_CATEGORIES = 4096

LARGEST = 1e100
"""Beyond it, squares of numbers and sums of them would no longer be finite."""

Matrix = NDArray[np.float64]


def infer_schema(
    frame: pandas.DataFrame,
    exclude: Collection[str],
    categorical: Collection[str] = (),
    numeric: Collection[str] = (),
) -> FeatureSchema:
    """One feature for each column not in `exclude`, in order.

    Text and booleans are categories, as are integers of at most 20 different values; other integers are integers,
    also when missing values made them floats in the file; other floats are numbers. `categorical` and `numeric`
    override that. Raises `InvalidDataFile`.
    """
    given = {*categorical, *numeric}
    wrong = {
        "is no column of the file": given - set(frame.columns),
        "is no feature": given & set(exclude),
        "is to be both category and number": set(categorical) & set(numeric),
    }
    for what, names in wrong.items():
        if names:
            raise InvalidDataFile(
                f"'{min(names)}' {what}",
                where="categorical and numeric columns",
                fix="name columns of the file that are features, each once",
            )
    features = [
        _feature(frame[name], name in categorical, name in numeric) for name in frame.columns if name not in exclude
    ]
    if not features:
        raise InvalidDataFile("no column is left to learn from", where="columns", fix="give a file with features")
    return FeatureSchema(tuple(features))


def encode_frame(schema: FeatureSchema, frame: pandas.DataFrame) -> Matrix:
    """(n, d), NaN = missing, a category is its code. Raises `UnseenCategory` or `InvalidDataFile`."""
    for feature in schema.features:
        if feature.name not in frame.columns:
            raise InvalidDataFile(
                f"there is no column '{feature.name}'", where="columns", fix="give a file with the task's columns"
            )
    columns = [_encoded(feature, frame[feature.name]) for feature in schema.features]
    return np.ascontiguousarray(np.array(columns, dtype=np.float64).T)


def _feature(series: pandas.Series[Any], as_category: bool, as_number: bool) -> Feature:
    name, there = str(series.name), series.dropna()
    if there.empty:
        raise InvalidDataFile("the column holds no value at all", where=name, fix="leave the column out")
    kind = _kind(series, as_category, as_number)
    missing_allowed = len(there) < len(series)
    if kind is FeatureKind.CATEGORY:
        categories = distinct_scalars(natives(there), name)
        if len(categories) > MAX_CATEGORIES:
            raise InvalidDataFile(
                f"the column has {len(categories)} different values",
                where=name,
                fix="leave it out; if it says whom a row is about, name it as the data subject",
            )
        return Feature(name, kind, missing_allowed, tuple(categories))
    numbers = there.to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(np.isinf(series.to_numpy(dtype=np.float64, na_value=np.nan)))[0])
        raise InvalidDataFile(f"row {row} holds an infinite number", where=name, fix="make it missing or finite")
    if np.abs(numbers).max() > LARGEST:
        raise InvalidDataFile(f"the column holds numbers beyond ±{LARGEST:g}", where=name, fix="scale the column")
    return Feature(name, kind, missing_allowed, minimum=float(numbers.min()), maximum=float(numbers.max()))


def _kind(series: pandas.Series[Any], as_category: bool, as_number: bool) -> FeatureKind:
    dtype = series.dtype
    is_amount = types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)
    if as_number and not is_amount:
        raise InvalidDataFile(
            f"the column holds {dtype}, not numbers", where=str(series.name), fix="do not name it as numeric"
        )
    if as_category or types.is_bool_dtype(dtype) or isinstance(dtype, pandas.CategoricalDtype):
        return FeatureKind.CATEGORY
    if types.is_object_dtype(dtype) or types.is_string_dtype(dtype):
        return FeatureKind.CATEGORY
    if not is_amount or types.is_complex_dtype(dtype):
        raise InvalidDataFile(
            f"the column holds {dtype}", where=str(series.name), fix="leave it out, or write it as text or number"
        )
    if types.is_float_dtype(dtype) and not (series.hasnans and all(isinstance(v, int | None) for v in natives(series))):
        return FeatureKind.NUMBER
    is_code = series.nunique() <= MAX_INTEGER_CATEGORIES and not as_number
    return FeatureKind.CATEGORY if is_code else FeatureKind.INTEGER


def _encoded(feature: Feature, series: pandas.Series[Any]) -> Matrix:
    if feature.kind is not FeatureKind.CATEGORY:
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    codes = category_codes(feature)
    column = np.full(len(series), np.nan)
    for row, value in enumerate(natives(series)):
        if value is None:
            continue
        code = codes.get((type(value), value))
        if code is None:
            raise UnseenCategory(
                f"row {row} holds {value!r}", where=feature.name, fix="use a category of the task's schema"
            )
        column[row] = code
    return column
