"""What is searched in a file: its bytes as they are and, where it is of a format that compresses, what it opens to.

Raw bytes come first and always: a name or a beginning tells only what is opened besides.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from dissonance.drills.encryption.search import BLOCK_BYTES

COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
PARQUET, ARROW, ZIP = b"PAR1", b"ARROW1", b"PK\x03\x04"
ROWS = 8_192

Layer = Iterator[bytes]


def layers(path: Path) -> Iterator[Layer]:
    """Each is a stream of its own. Raises `OSError` where the file itself cannot be read; what only looks like one of
    the formats, or was cut short, opens as far as it goes."""
    yield _raw(path)
    with path.open("rb") as file:
        beginning = file.read(8)
    for magic, compression in COMPRESSED.items():
        if beginning.startswith(magic):
            yield _opened(_stream(path, compression))
    if beginning.startswith(PARQUET):
        yield _opened(_parquet(path))
    if beginning.startswith(ARROW):
        yield _opened(_arrow(path))
    if beginning.startswith(ZIP):
        yield _opened(_members(path))


def _raw(path: Path) -> Layer:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _opened(blocks: Layer) -> Layer:
    with suppress(pa.ArrowException, OSError, zipfile.BadZipFile):
        yield from blocks


def _stream(path: Path, compression: str) -> Layer:
    with pa.input_stream(str(path), compression=compression) as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block


def _parquet(path: Path) -> Layer:
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS):
            yield from _plain(batch)


def _arrow(path: Path) -> Layer:
    with pa.ipc.open_file(str(path)) as file:
        for number in range(file.num_record_batches):
            yield from _plain(file.get_batch(number))


def _plain(batch: pa.RecordBatch) -> Layer:
    """The batch as Arrow writes it without compression."""
    sink: Any = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    yield sink.getvalue().to_pybytes()


def _members(path: Path) -> Layer:
    # nosemgrep: archive-unpacked - files of our own system, read as a stream and never written
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as opened:
                while block := opened.read(BLOCK_BYTES):
                    yield block
