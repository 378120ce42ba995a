"""Records in a file that is only appended to: length, CRC-32, payload; a file begins with a header.

The header is a magic word and the offset up to which the records are dealt with.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"DSPOOL1\n"
_HEADER = struct.Struct("<8sQ")
_FRAME = struct.Struct("<II")
HEADER_BYTES = _HEADER.size


class Record(NamedTuple):
    """`end`: offset after it. `payload` is None where the bytes are not what was written."""

    payload: bytes | None
    end: int


def header(done: int) -> bytes:
    return _HEADER.pack(MAGIC, done)


def done_in(data: bytes) -> int | None:
    """The offset in a header; None when this is no file of this kind.

    >>> done_in(header(99)), done_in(b"something else")
    (99, None)
    """
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        return None
    return int(_HEADER.unpack_from(data)[1])


def frame(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def records(data: bytes, start: int) -> Iterator[Record]:
    """The records of a file from an offset on. It ends before a torn tail; a record that is damaged while one that is
    whole follows is given without its payload.

    >>> data = header(0) + frame(b"one") + frame(b"two")[:-1]
    >>> [record.payload for record in records(data, HEADER_BYTES)]
    [b'one']
    """
    offset, damaged = start, list[Record]()
    while offset + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, offset)
        end = offset + _FRAME.size + length
        if length == 0 or end > len(data):
            return
        payload = data[offset + _FRAME.size : end]
        if zlib.crc32(payload) == checksum:
            yield from damaged
            damaged.clear()
            yield Record(payload, end)
        else:
            damaged.append(Record(None, end))
        offset = end
