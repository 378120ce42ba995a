"""Features and labels of many opened rows, as columns, without an object for each row.

Rows of one task that were sealed alike differ in their numbers only: all else of their msgpack is the same, at the same
places. Where that holds, which is looked at byte by byte, a column is a cut through all of them; where it does not, as
between rows of different releases, each row is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.sealed import SealedRow
from dissonance.errors import SealBroken
from dissonance.security.rows import features_matrix

_decode = msgspec.msgpack.Decoder(SealedRow).decode
_encode = msgspec.msgpack.Encoder().encode


class RowColumns(NamedTuple):
    """`features` (n, d), NaN = missing; `labels` (n,): class indices, -1 while unknown."""

    features: NDArray[np.float64]
    labels: NDArray[np.int64]


class _Layout(NamedTuple):
    """Where numbers are in the msgpack of a row of `length` bytes; `same`: where all rows alike have the same."""

    length: int
    features: slice
    label: int
    same: NDArray[np.intp]


def row_columns(plain: Sequence[bytes], width: int) -> RowColumns:
    """Of n rows as `rows.open_plain` gives them, with `width` features each. Raises `SealBroken` for a row of another
    width, or what is no row."""
    return _cut(plain, width) or _each(plain, width)


def _cut(plain: Sequence[bytes], width: int) -> RowColumns | None:
    """None where rows are not alike."""
    layout = _layout(plain[0]) if plain else None
    if layout is None or set(map(len, plain)) != {layout.length}:
        return None
    table = np.frombuffer(b"".join(plain), dtype=np.uint8).reshape(len(plain), layout.length)
    same = table[:, layout.same]
    labels = table[:, layout.label].view(np.int8)
    if layout.features.stop - layout.features.start != 8 * width or (same != same[0]).any() or (labels < -32).any():
        return None
    features = np.ascontiguousarray(table[:, layout.features]).view("<f8").reshape(len(plain), width)
    return RowColumns(features, labels.astype(np.int64))


def _layout(plain: bytes) -> _Layout | None:
    """None for what is no row, or has a label of more than one byte.

    Two rows of the same lengths that have no byte of their numbers in common tell where these are.
    """
    try:
        row = _decode(plain)
    except msgspec.MsgspecError:
        return None
    lengths = [len(part) for part in (row.features, row.probabilities, row.critic, row.shadow)]
    low, high = _filled(lengths, b"\x00", 0), _filled(lengths, b"\xff", -1)
    same, numbers = np.flatnonzero(low == high), np.flatnonzero(low != high)
    if len(plain) != len(low) or (np.frombuffer(plain, dtype=np.uint8)[same] != low[same]).any():
        return None
    begin = int(numbers[0])  # of the features; of the label where there are none
    return _Layout(len(plain), slice(begin, begin + lengths[0]), int(numbers[sum(lengths[:3])]), same)


def _filled(lengths: Sequence[int], fill: bytes, label: int) -> NDArray[np.uint8]:
    features, probabilities, critic, shadow = (fill * length for length in lengths)
    return np.frombuffer(_encode(SealedRow(features, probabilities, critic, label, shadow)), dtype=np.uint8)


def _each(plain: Sequence[bytes], width: int) -> RowColumns:
    try:
        rows = [_decode(each) for each in plain]
    except msgspec.MsgspecError as error:
        raise SealBroken("what was sealed is not a row", where="sealed rows", fix="upgrade what reads them") from error
    return RowColumns(features_matrix(rows, width), np.array([row.label for row in rows], dtype=np.int64))
