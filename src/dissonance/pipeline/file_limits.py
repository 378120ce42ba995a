"""Parquet and Arrow files opened no further than there is room for: a few kilobytes can stand for terabytes, as a value
that a dictionary has once and a run has a million times (CWE-409).

Whoever made a file wrote its metadata, too: what it says bounds what is begun, what comes is counted as it comes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet

from dissonance.decisions.arrow_messages import batch_of
from dissonance.errors import InvalidDataFile

MOST_BYTES = 4_294_967_296
"""What the rows of a data file may take in memory, unless the setting `data_file_bytes` says otherwise."""

CELL_BYTES = 8
"""The least that a value takes once it is a number of a model's input."""

BATCH_ROWS = 65_536
IPC_FILE_MAGIC = b"ARROW1\0\0"
"""What the file format has before the stream format (and a footer after it, which nothing here goes by)."""

Wanted = Callable[[Sequence[str]], list[str]]
"""Which of the columns that there are shall be read; each of them is there once."""


REFUSED = (
    pa.types.is_nested,
    pa.types.is_run_end_encoded,
    pa.types.is_string_view,
    pa.types.is_binary_view,
)
"""No feature is of such a type, and each can stand for more than it holds."""

TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


class Room:
    """What is left of `most_bytes` for the rows of one source, which may be several files."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._left = most_bytes

    def take(self, size_bytes: int, where: str) -> None:
        """Raises `InvalidDataFile` when there is not so much left."""
        self.require(size_bytes, where)
        self._left -= size_bytes

    def require(self, size_bytes: int, where: str) -> None:
        """As `take`, which will be called with what it turns out to be."""
        if not 0 <= size_bytes <= self._left:
            raise InvalidDataFile(
                f"its rows would take more than {self._most:,} bytes of memory, the most that a data file may open to",
                where=where,
                fix="see who made it; if it is honest, raise DISSONANCE_DATA_FILE_BYTES to what this machine has, or "
                "give fewer rows or columns",
            )


def read_parquet(source: pa.NativeFile, wanted: Wanted, room: Room, where: str) -> pa.Table:
    """Raises `InvalidDataFile`, what `wanted` does, and what pyarrow does of a broken file."""
    opened = pyarrow.parquet.ParquetFile(source)
    names = wanted(opened.schema_arrow.names)
    schema = _schema(opened.schema_arrow, names, where)
    room.require(_declared_bytes(opened.metadata, set(names)), where)
    room.take(opened.metadata.num_rows * sum(_cell_bytes(field.type) for field in schema), where)
    if not names:
        return opened.read(columns=[])
    # Text as a dictionary takes what the file holds, not what it stands for, which is counted before it is laid out.
    texts = [field.name for field in schema if _is_text(field.type)]
    source.seek(0)
    reader = pyarrow.parquet.ParquetFile(source, read_dictionary=texts)
    batches = [_laid_out(batch, schema, room, where) for batch in reader.iter_batches(BATCH_ROWS, columns=names)]
    return pa.Table.from_batches(batches, schema)


def _declared_bytes(metadata: pyarrow.parquet.FileMetaData, names: Collection[str]) -> int:
    """Of the pages of these columns, once they are decompressed."""
    total = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        chunks = map(group.column, range(group.num_columns))
        total += sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in names)
    return total


def read_arrow(content: pa.Buffer, wanted: Wanted, room: Room, where: str) -> pa.Table:
    """Of the stream or the file format. Raises as `read_parquet`."""
    if content[: len(IPC_FILE_MAGIC)].to_pybytes() == IPC_FILE_MAGIC:
        content = content[len(IPC_FILE_MAGIC) :]
    with pa.ipc.open_stream(content) as reader:
        names = wanted(reader.schema.names)
        schema = _schema(reader.schema, names, where)
        _take_messages(content, len(reader.schema), room, where)
        batches = []
        for batch in reader:
            batch.validate(full=True)
            batches.append(_laid_out(batch, schema, room, where))
        return pa.Table.from_batches(batches, schema)


def _take_messages(content: pa.Buffer, columns: int, room: Room, where: str) -> None:
    try:
        for message in pa.ipc.MessageReader.open_stream(content):
            batch = batch_of(message.metadata.to_pybytes())
            if batch is not None:
                buffers = batch.opened_bytes(message.body) if message.body is not None else 0
                room.take(max(buffers, batch.rows * columns * CELL_BYTES), where)
    except (struct.error, IndexError) as error:
        raise pa.ArrowInvalid(f"a message leads out of itself: {error}") from error


def _schema(every: pa.Schema, names: Sequence[str], where: str) -> pa.Schema:
    schema = pa.schema([every.field(name) for name in names], every.metadata)
    for field in schema:
        kind = _value_type(field.type)
        if any(refused(kind) for refused in REFUSED):
            raise InvalidDataFile(
                f"column '{field.name}' is of type {kind}", where=where, fix="give every column one plain value a row"
            )
    return schema


def _laid_out(batch: pa.RecordBatch, schema: pa.Schema, room: Room, where: str) -> pa.RecordBatch:
    """Columns of the schema's types, for which room was taken."""
    columns = []
    for field in schema:
        column = batch.column(field.name)
        room.take(_text_bytes(column), where)
        columns.append(column if column.type == field.type else column.dictionary_decode().cast(field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _text_bytes(column: pa.Array) -> int:
    """What its text takes once every row has its own; 0 where that was counted by its buffers."""
    if not (pa.types.is_dictionary(column.type) and _is_text(column.type.value_type)):
        return 0
    lengths = pc.binary_length(column.dictionary).fill_null(0).to_numpy(zero_copy_only=False)
    rows = np.bincount(column.indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(lengths))
    return int(np.dot(lengths.astype(np.int64), rows))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return any(check(kind) for check in TEXTS)


def _cell_bytes(kind: pa.DataType) -> int:
    try:
        return max(CELL_BYTES, int(_value_type(kind).bit_width) // 8)
    except ValueError:  # of no fixed width
        return CELL_BYTES
