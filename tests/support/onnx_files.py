"""Small ONNX files, written byte by byte after `onnx.proto`: a linear classifier with softmax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT = 1


def linear_classifier(weights: NDArray[np.float64], bias: Sequence[float], *, external: bool = False) -> bytes:
    """`weights` (d, k), `bias` (k,): softmax(x W + b), a missing value being 0. Input and output are (n, d) and (n, k)
    of 32-bit floats. `external`: the weights are said to lie in another file."""
    d, k = weights.shape
    nodes = (
        _node("IsNaN", ("x",), "missing")
        + _node("Where", ("missing", "zero", "x"), "known")
        + _node("MatMul", ("known", "w"), "product")
        + _node("Add", ("product", "b"), "scores")
        + _node("Softmax", ("scores",), "p")
    )
    initial = (
        _tensor("zero", np.zeros(1))
        + _tensor("w", weights, external=external)
        + _tensor("b", np.array(bias, dtype=np.float64))
    )
    graph = nodes + _bytes(2, b"linear") + initial + _bytes(11, _value("x", d)) + _bytes(12, _value("p", k))
    return _number(1, 8) + _bytes(8, _number(2, 17)) + _bytes(7, graph)


def _node(kind: str, inputs: Sequence[str], output: str) -> bytes:
    return _bytes(
        1, b"".join(_bytes(1, each.encode()) for each in inputs) + _bytes(2, output.encode()) + _bytes(4, kind.encode())
    )


def _tensor(name: str, values: NDArray[np.float64], *, external: bool = False) -> bytes:
    dims = b"".join(_number(1, size) for size in values.shape)
    head = dims + _number(2, FLOAT) + _bytes(8, name.encode())
    if external:
        return _bytes(5, head + _bytes(13, _bytes(1, b"location") + _bytes(2, b"elsewhere.bin")) + _number(14, 1))
    return _bytes(5, head + _bytes(9, values.astype("<f4").tobytes()))


def _value(name: str, columns: int) -> bytes:
    shape = _bytes(1, _bytes(2, b"n")) + _bytes(1, _number(1, columns))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes(found) + bytes([value])
