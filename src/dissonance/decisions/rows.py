"""Is a row answerable? Rows of JSON become the matrix that models see, or a typed refusal; never a default.

`encode_value` is the definition of what a field may hold. The fast path takes whole columns at once and gives up
on the first thing out of the ordinary; such rows then go through `encode_value`, value by value.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Scalar
from dissonance.errors import MissingField, NotFinite, UnknownField, UnseenCategory, WrongType

Matrix = NDArray[np.float64]
Row = Mapping[str, Any]
Codes = Mapping[tuple[type, Any], int]

SHOWN_CATEGORIES = 8
"""How many of the known categories an error names."""

NAN = float("nan")


class RowEncoder:
    """Compiled for one schema; takes batches of any size, and may be shared between threads.

    `extra` are fields that a row may carry beside the features (time, data subject); they are not looked at.

    >>> age = Feature("age", FeatureKind.INTEGER)
    >>> RowEncoder(FeatureSchema((age,)), extra=("id", None)).encode([{"age": 30, "id": "x"}]).tolist()
    [[30.0]]
    """

    def __init__(self, schema: FeatureSchema, extra: Iterable[str | None] = ()) -> None:
        self.schema = schema
        self._allowed = frozenset(schema.names) | {name for name in extra if name is not None}
        self._pick = _picker(schema.names)
        self._codes = [category_codes(feature) for feature in schema.features]
        self._columns = [
            _FastColumn(feature, codes) for feature, codes in zip(schema.features, self._codes, strict=True)
        ]

    def encode(self, rows: Sequence[Row]) -> Matrix:
        """(n, d), C order, NaN = missing, a category is its code.

        Raises `UnknownField`, `MissingField`, `WrongType`, `NotFinite` or `UnseenCategory` for the first row that
        cannot be answered, with the place (`rows[3].AGEP`) and with what is allowed there.
        """
        if not rows:
            return np.empty((0, len(self._columns)))
        fast = self._encode_fast(rows)
        if fast is not None:
            return fast
        return np.array([self._encode_row(row, f"rows[{number}]") for number, row in enumerate(rows)])

    def _encode_fast(self, rows: Sequence[Row]) -> Matrix | None:
        allowed, pick = self._allowed, self._pick
        try:
            if not all(row.keys() <= allowed for row in rows):
                return None
            columns = list(zip(*[pick(row) for row in rows], strict=True))
            encoded = [column.encode(values) for column, values in zip(self._columns, columns, strict=True)]
            matrix = np.ascontiguousarray(np.array(encoded, dtype=np.float64).T)
        except (KeyError, TypeError, OverflowError):
            return None
        missing = sum([column.count(None) for column in columns])
        return matrix if np.count_nonzero(np.isfinite(matrix)) == matrix.size - missing else None

    def _encode_row(self, row: Row, where: str) -> list[float]:
        for name in row:
            if name not in self._allowed:
                raise unknown_field(name, where, self._allowed)
        encoded = []
        for feature, codes in zip(self.schema.features, self._codes, strict=True):
            place = f"{where}.{feature.name}"
            if feature.name not in row:
                raise missing_field(feature, where)
            encoded.append(encode_value(feature, codes, row[feature.name], place))
        return encoded


class _FastColumn:
    """One feature; raises `KeyError` or `TypeError` for whatever needs a closer look."""

    def __init__(self, feature: Feature, codes: Codes) -> None:
        kinds = {kind for kind, _ in codes}
        self._integral = feature.kind is FeatureKind.INTEGER
        self._is_category = feature.kind is FeatureKind.CATEGORY
        self._types: frozenset[type] = frozenset(kinds if self._is_category else {int, float})
        self._codes: dict[Any, float] = {value: float(code) for (_, value), code in codes.items()}
        if len(self._codes) < len(codes):  # True and 1 are equal keys: tell them apart value by value
            self._types = frozenset()
        if feature.missing_allowed:
            self._types |= {type(None)}
            self._codes[None] = NAN

    def encode(self, values: tuple[Any, ...]) -> Sequence[Any]:
        types = set(map(type, values))
        if not types <= self._types:
            raise TypeError
        if self._is_category:
            codes = self._codes
            return [codes[value] for value in values]
        if self._integral and float in types and not all(value is None or value == value // 1 for value in values):
            raise TypeError
        return values


def category_codes(feature: Feature) -> dict[tuple[type, Any], int]:
    """Code of each category by type and value: 1, True and "1" are three categories.

    >>> category_codes(Feature("sex", FeatureKind.CATEGORY, categories=(1, "1")))[str, "1"]
    1
    """
    return {(type(value), value): code for code, value in enumerate(feature.categories)}


def encode_value(feature: Feature, codes: Codes, value: Any, where: str) -> float:
    """One value of one field as the models see it; NaN for null where missing values are allowed.

    A number without a fraction counts as an integer, however it is written (JSON has one type of number).
    Raises `WrongType`, `NotFinite` or `UnseenCategory`.
    """
    if value is None:
        if feature.missing_allowed:
            return NAN
        raise WrongType(
            f"'{feature.name}' is null, and no value of it was missing in the reference data",
            where=where,
            fix=f"send {_expected(feature)}",
        )
    if feature.kind is FeatureKind.CATEGORY:
        return _encode_category(feature, codes, value, where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(feature, value, where)
    return _encode_number(feature, value, where)


def _encode_number(feature: Feature, value: int | float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        fix = "send null where the value is missing" if feature.missing_allowed else "send a finite number"
        raise NotFinite(f"'{feature.name}' is {_shown(value)}", where=where, fix=fix)
    if feature.kind is FeatureKind.INTEGER and not number.is_integer():
        raise _wrong_type(feature, value, where)
    return number


def _encode_category(feature: Feature, codes: Codes, value: Any, where: str) -> float:
    if not isinstance(value, bool | int | float | str):
        raise _wrong_type(feature, value, where)
    if isinstance(value, float) and not math.isfinite(value):
        raise NotFinite(f"'{feature.name}' is {value}", where=where, fix=f"send {_expected(feature)}")
    kind: type = type(value)
    kinds = {known for known, _ in codes}
    if isinstance(value, float) and value.is_integer() and int in kinds:
        kind = int
    elif kind is int and float in kinds and int not in kinds:
        kind = float
    if kind not in kinds:
        raise _wrong_type(feature, value, where)
    code = codes.get((kind, value))
    if code is not None:
        return float(code)
    raise UnseenCategory(f"'{feature.name}' has no category {_shown(value)}", where=where, fix=_nearest(feature, value))


def category_sizes(schema: FeatureSchema) -> tuple[int, ...]:
    """How many codes each column of the matrix has; 0 for a number. The models' view of a schema."""
    return tuple(len(feature.categories) if feature.kind is FeatureKind.CATEGORY else 0 for feature in schema.features)


def widths_outside(schema: FeatureSchema, matrix: Matrix) -> Matrix:
    """(n, d): how far each number lies outside `[minimum, maximum]` of the reference data, in widths of that range; 0
    inside, for missing values and for categories. A range without width counts as one of width 1."""
    limits = [
        (-math.inf, math.inf) if feature.minimum is None or feature.maximum is None
        else (feature.minimum, feature.maximum)
        for feature in schema.features
    ]  # fmt: skip
    lowest, highest = np.array(limits, dtype=np.float64).reshape(-1, 2).T
    beyond = np.fmax(np.fmax(lowest - matrix, matrix - highest), 0.0)
    widths = np.where(np.isfinite(highest - lowest) & (highest > lowest), highest - lowest, 1.0)
    return np.asarray(np.nan_to_num(beyond, nan=0.0, posinf=np.inf) / widths)


def _picker(names: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    """The values of these fields as a tuple; `KeyError` when one is missing."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)


def missing_field(feature: Feature, where: str) -> MissingField:
    """`where` is the row's place."""
    return MissingField(f"the field '{feature.name}' is missing", where=f"{where}.{feature.name}", fix=_send(feature))


def unknown_field(name: str, where: str, allowed: Iterable[str]) -> UnknownField:
    """`where` is the row's place."""
    close = difflib.get_close_matches(name, allowed, n=1)
    fix = f"did you mean '{close[0]}'?" if close else f"the fields are {', '.join(sorted(allowed))}"
    return UnknownField(f"there is no field '{name}'", where=f"{where}.{name}", fix=fix)


def _wrong_type(feature: Feature, value: Any, where: str) -> WrongType:
    return WrongType(
        f"'{feature.name}' is {_shown(value)} ({_json_type(value)})", where=where, fix=f"send {_expected(feature)}"
    )


def _json_type(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "an integer of more than 128 bits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _send(feature: Feature) -> str:
    return "send null where the value is missing" if feature.missing_allowed else f"send {_expected(feature)}"


def _expected(feature: Feature) -> str:
    if feature.kind is FeatureKind.CATEGORY:
        return _one_of(feature.categories)
    noun = "an integer" if feature.kind is FeatureKind.INTEGER else "a number"
    if feature.minimum is None or feature.maximum is None:
        return noun
    return f"{noun}; the reference data goes from {feature.minimum:g} to {feature.maximum:g}"


def _one_of(categories: Sequence[Scalar]) -> str:
    shown = ", ".join(_shown(category) for category in categories[:SHOWN_CATEGORIES])
    rest = len(categories) - SHOWN_CATEGORIES
    return f"one of {shown}" + (f" and {rest} more" if rest > 0 else "")


def _nearest(feature: Feature, value: Scalar) -> str:
    """What was probably meant: the most alike texts, or the numbers closest by."""
    if isinstance(value, str):
        texts = [category for category in feature.categories if isinstance(category, str)]
        close: list[Scalar] = list(difflib.get_close_matches(value, texts, n=3, cutoff=0.5))
    else:
        numbers = [category for category in feature.categories if not isinstance(category, str)]
        close = list(sorted(numbers, key=lambda category: abs(category - value))[:3])
    if len(feature.categories) <= SHOWN_CATEGORIES or not close:
        return f"send {_one_of(feature.categories)}"
    return f"the nearest known are {', '.join(_shown(category) for category in close)}"
