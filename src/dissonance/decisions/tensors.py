"""Tensors of the Open Inference Protocol: from JSON, from bytes and back, each checked against its datatype and shape.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol; the binary form is that of Triton's
"Binary Tensor Data Extension": little endian, row-major, and for BYTES a length of 4 bytes before every element.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dissonance.contracts.schema import Scalar
from dissonance.errors import MalformedBody, WrongType

LENGTH = struct.Struct("<I")
BYTES = "BYTES"
BOOL = "BOOL"
INT64 = "INT64"
FP64 = "FP64"

DTYPES: dict[str, np.dtype[Any]] = {
    BOOL: np.dtype("?"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    INT64: np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    FP64: np.dtype("<f8"),
}
"""Datatypes with elements of one size; BYTES is the other one that is read, BF16 is not."""


class Tensor(NamedTuple):
    """`values` are flat, row-major: bool, int, float or str by the datatype; None is a JSON null."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: list[Any]


def tensor_of_json(name: str, datatype: str, shape: Sequence[int], data: Sequence[Any], where: str) -> Tensor:
    """`data` may be flat or nested as the shape says. Raises `MalformedBody` or `WrongType`."""
    count = _count(datatype, shape, where)
    flat = list(data) if len(shape) == 1 else list(_flat(data, len(shape)))
    _check_count(len(flat), count, shape, f"{where}.data")
    fits = _check_of(datatype)
    # One by one only where one does not: somebody may send millions, and others wait meanwhile.
    for number, value in enumerate(() if _all_fit(datatype, flat) else flat):
        if value is not None and not fits(value):
            raise WrongType(
                f"{type(value).__name__} is no {datatype}", where=f"{where}.data[{number}]", fix=f"send {datatype}"
            )
    return Tensor(name, datatype, tuple(shape), flat)


def tensor_of_bytes(name: str, datatype: str, shape: Sequence[int], raw: bytes, where: str) -> Tensor:
    """Raises `MalformedBody` or `WrongType`."""
    count = _count(datatype, shape, where)
    if datatype == BYTES:
        values: list[Any] = list(_texts(raw, where))
        _check_count(len(values), count, shape, where)
        return Tensor(name, datatype, tuple(shape), values)
    dtype = DTYPES[datatype]
    if len(raw) != count * dtype.itemsize:
        raise MalformedBody(
            f"{len(raw)} bytes came for {count} elements of {datatype}", where=where, fix="send what the shape says"
        )
    return Tensor(name, datatype, tuple(shape), np.frombuffer(raw, dtype).tolist())


def bytes_of(datatype: str, values: Sequence[Any]) -> bytes:
    """The opposite of `tensor_of_bytes`.

    >>> bytes_of("BYTES", ["no"]), tensor_of_bytes("x", "INT16", [1], bytes_of("INT16", [7]), "").values
    (b'\\x02\\x00\\x00\\x00no', [7])
    """
    if datatype != BYTES:
        return np.asarray(values, DTYPES[datatype]).tobytes()
    texts = [value.encode() for value in values]
    return b"".join(LENGTH.pack(len(text)) + text for text in texts)


def datatype_of(scalars: Sequence[Scalar]) -> str:
    """The narrowest datatype that holds them all; what is of several kinds is told as text.

    >>> datatype_of([0, 1]), datatype_of(["a"]), datatype_of([1, 0.5]), datatype_of([True, "a"])
    ('INT64', 'BYTES', 'FP64', 'BYTES')
    """
    kinds = {type(scalar) for scalar in scalars}
    if kinds == {bool}:
        return BOOL
    if kinds == {int} and all(-(2**63) <= scalar < 2**63 for scalar in scalars if isinstance(scalar, int)):
        return INT64
    return FP64 if kinds and kinds <= {int, float} else BYTES


def _count(datatype: str, shape: Sequence[int], where: str) -> int:
    if datatype != BYTES and datatype not in DTYPES:
        raise WrongType(
            f"'{datatype[:20]}' is not read", where=f"{where}.datatype", fix=f"use one of {', '.join(DTYPES)}, {BYTES}"
        )
    if not 1 <= len(shape) <= 2 or any(size < 0 for size in shape):
        raise MalformedBody("not the shape of a column or a matrix", where=f"{where}.shape", fix="send [n] or [n, 1]")
    return math.prod(shape)


def _check_count(came: int, wanted: int, shape: Sequence[int], where: str) -> None:
    if came != wanted:
        raise MalformedBody(
            f"{came} elements came for the shape {list(shape)}", where=where, fix="send what the shape says"
        )


def _flat(data: Sequence[Any], depth: int) -> Iterator[Any]:
    for item in data:
        if depth > 1 and isinstance(item, list):
            yield from _flat(item, depth - 1)
        else:
            yield item


def _check_of(datatype: str) -> Callable[[Any], bool]:
    if datatype == BYTES:
        return lambda value: isinstance(value, str)
    if datatype == BOOL:
        return lambda value: isinstance(value, bool)
    dtype = DTYPES[datatype]
    if dtype.kind == "f":
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    limits = np.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _all_fit(datatype: str, values: Sequence[Any]) -> bool:
    """What `_check_of` says of each, None apart, said of all at once."""
    kinds = set(map(type, values)) - {type(None)}
    if datatype in (BYTES, BOOL):
        return kinds <= {str if datatype == BYTES else bool}
    dtype = DTYPES[datatype]
    if dtype.kind == "f":
        return kinds <= {int, float}
    if not kinds <= {int}:
        return False
    limits = np.iinfo(dtype)
    present = [value for value in values if value is not None] if None in values else values
    return not present or (int(limits.min) <= min(present) and max(present) <= int(limits.max))


def _texts(raw: bytes, where: str) -> Iterator[str]:
    position = 0
    while position < len(raw):
        start = position + LENGTH.size
        if start > len(raw) or (end := start + LENGTH.unpack_from(raw, position)[0]) > len(raw):
            raise MalformedBody("an element ends too early", where=f"{where}, byte {position}", fix="send it whole")
        try:
            yield raw[start:end].decode()
        except UnicodeDecodeError as error:
            raise WrongType(
                "an element is not text in UTF-8", where=f"{where}, byte {start}", fix="send UTF-8"
            ) from error
        position = end
