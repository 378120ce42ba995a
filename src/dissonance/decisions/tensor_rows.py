"""Tensors become rows: one tensor for each field, or one matrix where every feature is a number.

Tensors know no null. So NaN is a missing value here, and so is a text without a character where the feature may be
missing and has no such category.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from dissonance.contracts.api import Row
from dissonance.contracts.schema import Feature, FeatureKind, Task
from dissonance.decisions.tensors import BYTES, FP64, INT64, Tensor, datatype_of
from dissonance.errors import MalformedBody, WrongType


class Field(NamedTuple):
    """What a model asks for: a column of any length."""

    name: str
    datatype: str


def fields_of(task: Task) -> list[Field]:
    """Features in model order, then data subject and time; the time may be left out."""
    fields = [Field(feature.name, _datatype(feature)) for feature in task.schema.features]
    extras = [Field(name, BYTES) for name in (task.data_subject_column, task.time_column) if name is not None]
    return fields + [extra for extra in extras if extra.name not in task.schema.names]


def row_count(tensors: Sequence[Tensor]) -> int:
    """Raises `MalformedBody` when two tensors differ."""
    counts = {tensor.shape[0]: tensor.name for tensor in tensors}
    if len(counts) > 1:
        told = ", ".join(f"'{name}' {count}" for count, name in sorted(counts.items()))
        raise MalformedBody(f"the tensors have different numbers of rows: {told}", where="inputs", fix="send one a row")
    return next(iter(counts), 0)


def rows_of(tensors: Sequence[Tensor], task: Task) -> list[Row]:
    """n rows; which fields they have to have is left to `decisions.rows`. Raises `MalformedBody` or `WrongType`."""
    extras = {name for name in (task.time_column, task.data_subject_column) if name is not None}
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        raise MalformedBody("two tensors have the same name", where="inputs", fix="send each field once")
    features = {feature.name: feature for feature in task.schema.features}
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        if tensor.name in features or tensor.name in extras or len(tensor.shape) == 1:
            columns[tensor.name] = _column(tensor, features.get(tensor.name))
        else:
            columns.update(_matrix_columns(tensor, task))
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(tensor: Tensor, feature: Feature | None) -> list[Any]:
    if len(tensor.shape) == 2 and tensor.shape[1] != 1:
        raise MalformedBody(
            f"'{tensor.name}' has the shape {list(tensor.shape)}",
            where=f"inputs, {tensor.name}",
            fix="send [n] or [n, 1]",
        )
    if tensor.datatype == BYTES:
        takes_empty = feature is not None and (not feature.missing_allowed or "" in feature.categories)
        return tensor.values if takes_empty else [None if value == "" else value for value in tensor.values]
    return [None if isinstance(value, float) and math.isnan(value) else value for value in tensor.values]


def _matrix_columns(tensor: Tensor, task: Task) -> dict[str, list[Any]]:
    where = f"inputs, {tensor.name}"
    categories = [feature.name for feature in task.schema.features if feature.kind is FeatureKind.CATEGORY]
    if categories or tensor.datatype == BYTES:
        raise WrongType(
            f"'{tensor.name}' is no field, and a matrix cannot hold every feature",
            where=where,
            fix=f"send one tensor for each of {', '.join(task.schema.names)}",
        )
    width = len(task.schema.names)
    if tensor.shape[1] != width:
        raise MalformedBody(
            f"the matrix has {tensor.shape[1]} columns, the schema {width}",
            where=where,
            fix=", ".join(task.schema.names),
        )
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in tensor.values]
    return {name: values[number::width] for number, name in enumerate(task.schema.names)}


def _datatype(feature: Feature) -> str:
    if feature.kind is FeatureKind.CATEGORY:
        datatype = datatype_of(feature.categories)
    else:
        datatype = INT64 if feature.kind is FeatureKind.INTEGER else FP64
    return FP64 if datatype == INT64 and feature.missing_allowed else datatype
