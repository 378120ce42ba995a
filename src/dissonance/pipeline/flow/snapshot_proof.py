"""That a snapshot's file holds what was written: one HMAC-SHA-256 over all of its columns.

To hold each row against its own id takes longer than to open it. Where the proof is lacking, as in files of before, or
does not fit, rows are held against their ids.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

_FORMAT: Final = b"dissonance snapshot file 1|"
_AT_ONCE: Final = 20_000
"""Rows, as a writer has them at hand. Part of the format."""


class FileProof:
    """Of batches in order, each but the last of 20,000 rows. `key`: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._keyed = HMAC(key, SHA256())
        self._keyed.update(_FORMAT)

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        for name in batch.schema.names:
            lengths, content = _content(batch.column(name))
            self._keyed.update(b"|".join((name.encode(), b"%d" % len(lengths), b"%d|" % len(content))))
            self._keyed.update(lengths)
            self._keyed.update(content)

    def value(self) -> bytes:
        """32 bytes; nothing can be added after."""
        return self._keyed.finalize()


def holds(key: bytes, table: pa.Table, value: bytes) -> bool:
    """Whether `value` is the proof of a file's table."""
    proof = FileProof(key)
    for start in range(0, len(table), _AT_ONCE):
        proof.add(table.slice(start, _AT_ONCE))
    return compare_digest(proof.value(), value)


def _content(column: pa.Array | pa.ChunkedArray) -> tuple[bytes, bytes | memoryview]:
    """Lengths (64 bits each) and values, however they lie in memory; of numbers no lengths."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_integer(whole.type):
        return b"", whole.to_numpy().astype("<i8").tobytes()
    kind = pa.large_string() if pa.types.is_dictionary(whole.type) else pa.large_binary()
    array = whole.cast(kind)
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype="<i8")[array.offset : array.offset + len(array) + 1]
    return np.diff(ends).tobytes(), memoryview(data or b"").cast("B")[ends[0] : ends[-1]]
