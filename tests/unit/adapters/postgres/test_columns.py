from __future__ import annotations

import struct

import pytest

from dissonance.adapters.postgres.columns import Bigints, Booleans, Byteas, Floats, Texts, Uuids, with_columns
from dissonance.errors import MalformedEvent


def elements(data: bytes) -> list[bytes]:
    """The elements of a binary array, read the slow way (PostgreSQL, `array_recv`)."""
    dimensions, has_null, _, length, lower_bound = struct.unpack_from(">iiiii", data)
    assert (dimensions, has_null, lower_bound) == (1, 0, 1)
    found, offset = [], 20
    for _ in range(length):
        (size,) = struct.unpack_from(">i", data, offset)
        found.append(data[offset + 4 : offset + 4 + size])
        offset += 4 + size
    assert offset == len(data)
    return found


def test_columns_are_binary_arrays_of_their_values() -> None:
    assert elements(Bigints([1, -2, 2**63 - 1]).data) == [n.to_bytes(8, signed=True) for n in (1, -2, 2**63 - 1)]
    assert elements(Floats([0.5, float("inf")]).data) == [struct.pack(">d", x) for x in (0.5, float("inf"))]
    assert elements(Booleans([True, False]).data) == [b"\x01", b"\x00"]
    assert elements(Byteas([b"", b"ab\x00"]).data) == [b"", b"ab\x00"]
    assert elements(Texts(["", "é"]).data) == [b"", b"\xc3\xa9"]
    assert elements(Uuids([b"u" * 15 + b"\x00"]).data) == [b"u" * 15 + b"\x00"]


@pytest.mark.parametrize("kind", [Bigints, Floats, Booleans, Byteas, Texts, Uuids])
def test_empty_columns_have_no_elements_and_a_known_type(kind: type[Bigints]) -> None:
    column = kind([])
    assert elements(column.data) == []
    assert with_columns().get_dumper(kind, "b").oid == kind.ARRAY_OID


def test_id_that_is_not_16_bytes_is_refused_also_when_the_sum_fits() -> None:
    with pytest.raises(MalformedEvent):
        Uuids([b"u" * 15, b"u" * 17])
