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
from numpy.typing import NDArray

_FORMAT: Final = b"dissonance snapshot file 1|"
AT_ONCE: Final = 20_000
"""Rows of each batch but the last. Part of the format: a writer that takes other ones proves nothing."""


class FileProof:
    """Of batches in order, each but the last of 20,000 rows. `key`: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._keyed = HMAC(key, SHA256())
        self._keyed.update(_FORMAT)

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        for name in batch.schema.names:
            column = batch.column(name)
            whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            for part in (name.encode(), *_content(whole)):
                self._keyed.update(len(part).to_bytes(8))
                self._keyed.update(part)

    def value(self) -> bytes:
        """32 bytes; nothing can be added after."""
        return self._keyed.finalize()


def holds(key: bytes, table: pa.Table, value: bytes) -> bool:
    """Whether `value` is the proof of a file's table."""
    proof = FileProof(key)
    for start in range(0, len(table), AT_ONCE):
        proof.add(table.slice(start, AT_ONCE))
    return compare_digest(proof.value(), value)


def _content(column: pa.Array) -> list[bytes | memoryview]:
    """The same for the same values, however they lie in memory. Of a dictionary: its values in the order in which they
    come, and which of them each one is."""
    if pa.types.is_integer(column.type):
        return [column.to_numpy().astype("<i8").tobytes()]
    if pa.types.is_dictionary(column.type):
        _, first, codes = np.unique(column.indices.to_numpy(), return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        names = column.dictionary.take(column.indices.take(pa.array(first[order])))
        lengths, joined = lengths_and_bytes(names.cast(pa.binary()))
        return [lengths.tobytes(), joined, place[codes].astype("<i8").tobytes()]
    lengths, joined = lengths_and_bytes(column)
    return [lengths.tobytes(), joined]


def lengths_and_bytes(column: pa.Array) -> tuple[NDArray[np.int64], memoryview]:
    """Of values of bytes without nulls: the length of each (n,), and all of them, one after the other."""
    array = column.cast(pa.large_binary())
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype="<i8")[array.offset : array.offset + len(array) + 1]
    return np.diff(ends), memoryview(data or b"").cast("B")[ends[0] : ends[-1]]
