"""Well-formed JSON bodies straight to the values that models see, by a type that is compiled for the schema.

What a field may hold is said by `decisions.rows`; here is only the short way for rows that are as they should be.
Whatever needs a closer look is not answered here: `read` and `encode` say None, and `RowEncoder` finds out what is
wrong. No dict is made on this way, and no value is looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.rows import Matrix, category_codes

Values = tuple[Any, ...]
"""One row: its features in the schema's order, then the extra fields; None where one is missing."""


class _Column(NamedTuple):
    """How a column of values becomes numbers. `codes` is None for a number; `integral`: only whole numbers."""

    codes: dict[Any, float] | None
    integral: bool


class JsonRows:
    """Compiled for one schema; may be shared between threads.

    `extra` are fields that a row may carry beside the features; they are handed on as they came.

    >>> rows = JsonRows(FeatureSchema((Feature("age", FeatureKind.INTEGER),)), extra=("id",))
    >>> rows.read(b'{"rows": [{"id": "x", "age": 30}]}')
    [(30.0, 'x')]
    >>> rows.encode([(30.0, "x")]).tolist()
    [[30.0]]
    >>> rows.read(b'{"rows": [{"id": "x", "age": "thirty"}]}') is None
    True
    """

    def __init__(self, schema: FeatureSchema, extra: Iterable[str] = ()) -> None:
        self._names = schema.names
        self.extra = tuple(name for name in extra if name not in schema.names)
        self._positions = {name: number for number, name in enumerate((*schema.names, *self.extra))}
        self._columns = [_column(feature) for feature in schema.features]
        fields: list[tuple[str, Any, Any]] = [
            (f"feature_{number}", _type_of(feature), msgspec.field(name=feature.name))
            for number, feature in enumerate(schema.features)
        ]
        fields += [
            (f"extra_{number}", Any, msgspec.field(name=name, default=None)) for number, name in enumerate(self.extra)
        ]
        row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
        body = msgspec.defstruct("Body", [("rows", list[row])], forbid_unknown_fields=True, gc=False)  # type: ignore[valid-type]
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)

    def column(self, rows: Sequence[Values], name: str | None) -> list[Any] | None:
        """One field of rows of `read`, as it came; None where there is no name."""
        if name is None:
            return None
        position = self._positions[name]
        return [row[position] for row in rows]

    def read(self, body: bytes) -> list[Values] | None:
        """The rows of `{"rows": [...]}`; None when anything about it is out of the ordinary."""
        try:
            return [msgspec.structs.astuple(row) for row in self._decoder.decode(body).rows]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def encode(self, rows: Sequence[Values]) -> Matrix | None:
        """(n, d), C order, NaN = missing, a category is its code; None when a value may not be what it is.

        `rows` are n ≥ 1 of `read`.
        """
        matrix = np.empty((len(rows), len(self._columns)))
        try:
            for number, (column, values) in enumerate(zip(self._columns, zip(*rows, strict=True), strict=False)):
                codes = column.codes
                matrix[:, number] = values if codes is None else [codes[value] for value in values]
                if column.integral and not _whole(matrix[:, number]):
                    return None
        except KeyError:
            return None
        return matrix

    def as_objects(self, rows: Sequence[Values]) -> list[dict[str, Any]]:
        """The rows by field name, for `RowEncoder`."""
        names = (*self._names, *self.extra)
        return [dict(zip(names, row, strict=True)) for row in rows]


def _whole(column: Matrix) -> bool:
    return bool(np.all((np.floor(column) == column) | np.isnan(column)))


def _type_of(feature: Feature) -> Any:
    """A number is read as a float, however it is written: JSON has one type of number."""
    kinds: set[type] = {float}
    if feature.kind is FeatureKind.CATEGORY:
        kinds = {type(category) for category in feature.categories}
    # Of several kinds, of 1 and 1.0, only a closer look can tell which is meant: such a field takes nothing here.
    kind: Any = kinds.pop() if len(kinds) == 1 else msgspec.UnsetType
    return kind | None if feature.missing_allowed else kind


def _column(feature: Feature) -> _Column:
    codes: dict[Any, float] | None = None
    if feature.kind is FeatureKind.CATEGORY:
        codes = {value: float(code) for (_, value), code in category_codes(feature).items()}
        codes[None] = float("nan")
    return _Column(codes, feature.kind is FeatureKind.INTEGER)
