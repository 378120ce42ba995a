"""Packed files opened no further than an honest one would: a few megabytes can hold terabytes (CWE-409)."""

from __future__ import annotations

import io

import pyarrow as pa

from dissonance.errors import InvalidDataFile

PACKED = (".gz", ".zst")

MOST_TIMES = 100
"""What a packed file may hold, in its own sizes. Tables of numbers as text are packed to a third or a tenth."""

ALWAYS_BYTES = 1_073_741_824
"""What it may hold in any case: that much fits."""


def unpacked(stream: pa.NativeFile, packed_bytes: int, where: str, always_bytes: int = ALWAYS_BYTES) -> pa.NativeFile:
    """The same bytes. Reading raises `InvalidDataFile` once there are too many for `packed_bytes`."""
    return pa.PythonFile(_Counted(stream, max(always_bytes, MOST_TIMES * packed_bytes), where), mode="r")


class _Counted(io.RawIOBase):
    """Its `read` is what Arrow calls, by blocks."""

    def __init__(self, stream: pa.NativeFile, most: int, where: str) -> None:
        self._stream = stream
        self._most = most
        self._where = where
        self._came = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        piece = bytes(self._stream.read(None if size < 0 else size))
        self._came += len(piece)
        if self._came > self._most:
            raise InvalidDataFile(
                f"what is packed in the file is more than {MOST_TIMES} times as large as the file",
                where=self._where,
                fix="see who made it; if it is honest, unpack it first",
            )
        return piece

    def close(self) -> None:
        self._stream.close()
        super().close()
