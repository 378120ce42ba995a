"""Columns of a batch as binary PostgreSQL arrays, so that one statement takes a batch in one round trip.

`INSERT … SELECT … FROM unnest(…)` over these arrays is faster than COPY into a staging table for batches as they come
(ADR 21). Wire format of an array: dimensions, has-null flag, element oid, length, lower bound, then length and bytes
of each element (PostgreSQL documentation, `array_send`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from psycopg import adapters
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

from dissonance.errors import MalformedEvent

_ARRAY_HEADER = struct.Struct(">iiiii")
_LENGTH = struct.Struct(">i")


class Column:
    """One array parameter; subclasses say of which type."""

    ELEMENT_OID: ClassVar[int]
    ARRAY_OID: ClassVar[int]

    __slots__ = ("data",)

    def __init__(self, length: int, elements: bytes) -> None:
        self.data = _ARRAY_HEADER.pack(1, 0, self.ELEMENT_OID, length, 1) + elements


class Uuids(Column):
    """`uuid[]` of 16 bytes each. Raises `MalformedEvent` for any other length."""

    ELEMENT_OID, ARRAY_OID = 2950, 2951

    def __init__(self, values: Sequence[bytes]) -> None:
        if any(len(value) != 16 for value in values):
            raise MalformedEvent("an id is not 16 bytes", where="prediction_ids", fix="use ids as answered")
        super().__init__(len(values), _lengths_and(values))


class Byteas(Column):
    ELEMENT_OID, ARRAY_OID = 17, 1001

    def __init__(self, values: Sequence[bytes]) -> None:
        super().__init__(len(values), _lengths_and(values))


class Texts(Column):
    ELEMENT_OID, ARRAY_OID = 25, 1009

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__(len(values), _lengths_and([value.encode() for value in values]))


class Bigints(Column):
    """`bigint[]`, for integers of up to 64 bits."""

    ELEMENT_OID, ARRAY_OID = 20, 1016

    def __init__(self, values: Sequence[int]) -> None:
        super().__init__(len(values), _fixed(values, ">i8", 8))


class Floats(Column):
    ELEMENT_OID, ARRAY_OID = 701, 1022

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__(len(values), _fixed(values, ">f8", 8))


class Booleans(Column):
    ELEMENT_OID, ARRAY_OID = 16, 1000

    def __init__(self, values: Sequence[bool]) -> None:
        super().__init__(len(values), _fixed(values, "?", 1))


def _lengths_and(values: Sequence[bytes]) -> bytes:
    lengths = set(map(len, values))
    if len(lengths) == 1:  # as of ids: a tenth of the time
        before = _LENGTH.pack(lengths.pop())
        return before + before.join(values)
    return b"".join(chain.from_iterable((_LENGTH.pack(len(value)), value) for value in values))


def _fixed(values: ArrayLike, kind: str, size: int) -> bytes:
    column = np.asarray(values)
    elements = np.empty(len(column), dtype=[("length", ">i4"), ("value", kind)])
    elements["length"] = size
    elements["value"] = column
    return elements.tobytes()


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Column) -> bytes:
        return obj.data


def with_columns() -> AdaptersMap:
    """The adapters of psycopg and those of the columns here; pass it to connections as `context`."""
    known = AdaptersMap(adapters)
    for kind in (Uuids, Byteas, Texts, Bigints, Floats, Booleans):
        known.register_dumper(kind, type(f"{kind.__name__}Dumper", (_ColumnDumper,), {"oid": kind.ARRAY_OID}))
    return known
