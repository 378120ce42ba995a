"""Parquet by row groups, Arrow IPC by record batches: what was scored before is not read again, but for a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from dissonance.pipeline.scoring.reading import reading
from dissonance.ports.blobs import Blobs
from dissonance.ports.scoring import BrokenRow

BATCH_ROWS = 16_384
BATCH_CELLS = 1_000_000
"""Of wide rows a batch has fewer."""

BUFFER_BYTES = 1_048_576
ALL_BUFFERS_BYTES = 67_108_864
"""Of one column, and of all: what is read ahead, so that a row group is never held whole."""

IPC_FILE_MAGIC = b"ARROW1"


class ParquetSource:
    """`pipeline.scoring.source.Source`."""

    def __init__(self, blobs: Blobs, path: str, columns: Sequence[str]) -> None:
        self._blobs = blobs
        self._path = path
        self._columns = list(columns)
        with reading(path, "Parquet"), self._opened() as file:
            self.schema = pa.schema([file.schema_arrow.field(name) for name in columns])
            self.rows: int | None = file.metadata.num_rows
        self.broken: deque[BrokenRow] = deque()

    def batches(self, first: int) -> Iterator[pa.RecordBatch]:
        with reading(self._path, "Parquet"), self._opened() as file:
            group = 0
            while group < file.num_row_groups and first >= (size := file.metadata.row_group(group).num_rows):
                first, group = first - size, group + 1
            groups = list(range(group, file.num_row_groups))
            rows = max(1, min(BATCH_ROWS, BATCH_CELLS // len(self._columns)))
            yield from _from_row(file.iter_batches(rows, groups, self._columns, False), first, self._columns)

    def _opened(self) -> pyarrow.parquet.ParquetFile:
        ahead = max(1, min(BUFFER_BYTES, ALL_BUFFERS_BYTES // len(self._columns)))
        return pyarrow.parquet.ParquetFile(self._blobs.open(self._path), buffer_size=ahead, pre_buffer=False)


class ArrowSource:
    """`pipeline.scoring.source.Source` of the file or the stream format, by its first bytes."""

    def __init__(self, blobs: Blobs, path: str, columns: Sequence[str]) -> None:
        self._blobs = blobs
        self._path = path
        self._columns = list(columns)
        with reading(path, "Arrow"), _opened(blobs, path) as reader:
            self.schema = pa.schema([reader.schema.field(name) for name in columns])
        self.rows: int | None = None
        self.broken: deque[BrokenRow] = deque()

    def batches(self, first: int) -> Iterator[pa.RecordBatch]:
        with reading(self._path, "Arrow"), _opened(self._blobs, self._path) as reader:
            if isinstance(reader, pa.ipc.RecordBatchFileReader):
                batches: Iterable[pa.RecordBatch] = map(reader.get_batch, range(reader.num_record_batches))
            else:
                batches = reader
            yield from _from_row(batches, first, self._columns)


def parquet_names(blobs: Blobs, path: str) -> list[str]:
    with reading(path, "Parquet"), blobs.open(path) as file:
        return list(pyarrow.parquet.read_schema(file).names)


def arrow_names(blobs: Blobs, path: str) -> list[str]:
    with reading(path, "Arrow"), _opened(blobs, path) as reader:
        return list(reader.schema.names)


def _opened(blobs: Blobs, path: str) -> pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader:
    with blobs.stream(path) as file:
        has_footer = file.read(len(IPC_FILE_MAGIC)) == IPC_FILE_MAGIC
    return pa.ipc.open_file(blobs.open(path)) if has_footer else pa.ipc.open_stream(blobs.stream(path))


def _from_row(batches: Iterable[pa.RecordBatch], first: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        passed = min(first, batch.num_rows)
        first -= passed
        if passed < batch.num_rows:
            yield batch.slice(passed).select(columns)
