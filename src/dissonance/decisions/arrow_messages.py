"""What a message of Arrow's IPC format says of itself, read before Arrow opens its buffers, which it does unasked.

https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format, `format/Message.fbs`. Functions take the
message's metadata, a flatbuffer, and raise `struct.error` or `IndexError` for one that leads out of itself.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

DICTIONARY_BATCH, RECORD_BATCH = 2, 3
"""Of the union `MessageHeader`."""

AS_IT_IS = -1
"""What a buffer of a compressed batch gives for its length that is not compressed itself."""

LENGTH = struct.Struct("<q")
BUFFER = struct.Struct("<qq")


class Batch(NamedTuple):
    """`rows`: that it says it has. `buffers`: where each is in the body, and how long, in bytes. `is_compressed`:
    each buffer begins with the length that it opens to."""

    rows: int
    buffers: list[tuple[int, int]]
    is_compressed: bool

    def opened_bytes(self, body: bytes | memoryview) -> int:
        """Of all buffers, once they are opened; as many as they say. Raises `struct.error`."""
        if not self.is_compressed:
            return sum(length for _, length in self.buffers)
        total = 0
        for offset, length in self.buffers:
            opened = LENGTH.unpack_from(body, offset)[0] if length else 0
            if opened < AS_IT_IS:
                raise struct.error("a buffer opens to less than nothing")
            total += length if opened == AS_IT_IS else opened
        return total


def batch_of(metadata: bytes) -> Batch | None:
    """Of a record batch or a dictionary; None for a message of another kind."""
    message = struct.unpack_from("<I", metadata, 0)[0]
    kind_at = _field(metadata, message, 1)
    if kind_at is None or metadata[kind_at] not in (DICTIONARY_BATCH, RECORD_BATCH):
        return None
    batch = _table(metadata, message, 2)
    if metadata[kind_at] == DICTIONARY_BATCH:
        batch = _table(metadata, batch, 1)
    rows_at, buffers_at = _field(metadata, batch, 0), _field(metadata, batch, 2)
    rows = 0 if rows_at is None else int(LENGTH.unpack_from(metadata, rows_at)[0])
    buffers = [] if buffers_at is None else _buffers(metadata, buffers_at)
    return Batch(rows, buffers, _field(metadata, batch, 3) is not None)


def _buffers(metadata: bytes, at: int) -> list[tuple[int, int]]:
    start = at + int(struct.unpack_from("<I", metadata, at)[0])
    count = struct.unpack_from("<I", metadata, start)[0]
    first = start + 4
    end = first + BUFFER.size * count
    if end > len(metadata):
        raise struct.error("a vector leads out of the message")
    return [(offset, length) for offset, length in BUFFER.iter_unpack(metadata[first:end])]


def _field(metadata: bytes, table: int, number: int) -> int | None:
    """Where a table's field is; None where it is left out."""
    vtable = table - struct.unpack_from("<i", metadata, table)[0]
    if vtable < 0 or 4 + 2 * number >= struct.unpack_from("<H", metadata, vtable)[0]:
        return None
    offset: int = struct.unpack_from("<H", metadata, vtable + 4 + 2 * number)[0]
    return table + offset if offset else None


def _table(metadata: bytes, table: int, number: int) -> int:
    at = _field(metadata, table, number)
    if at is None:
        raise struct.error("a message has no content")
    offset: int = struct.unpack_from("<I", metadata, at)[0]
    return at + offset
