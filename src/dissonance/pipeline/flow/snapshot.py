"""A snapshot: all rows that a model is made of, as one Parquet file named by a keyed digest of what they hold (ADR 50).

Every row is sealed under its data subject's key, as it is in the store, so that erasing somebody erases them here. A
row's id is a keyed hash (HMAC-SHA-256) of all that it holds; the digest is SHA-256 over the ids in order. Neither tells
anything to whoever has not the key, and the same rows have the same ones, however often they are sealed anew.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from dissonance.contracts.schema import Task, schema_digest
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import RecordBroken, SealBroken
from dissonance.pipeline.opening import opened
from dissonance.pipeline.scoring.reading import reading
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.blobs import Blobs
from dissonance.security.rows import label_row_id, open_rows

FORMAT = b"dissonance snapshot 1"
ID_BYTES = 16
CHUNK_ROWS = 20_000
"""Rows whose keys are held at once; also of a row group."""


class Origin(StrEnum):
    """Stored: never rename one. In this order."""

    TRAIN = "train"
    CRITIC = "critic"
    SOURCE = "source"
    EXPERIENCE = "experience"
    WINDOW = "window"  # inputs without a label, on which the update is held against the model before


_ORIGINS = {each.value: each for each in Origin}


class SnapshotRow(NamedTuple):
    """`ident`: what the row is sealed under; `sealed` features, and the label too where it has no blob of its own
    (`label_sealed`). `label_source`: its keyed name. `asked`: empty, `asked`, or `random_check`."""

    origin: Origin
    ident: bytes
    data_subject: bytes
    event_time_us: int
    sealed: bytes
    label_sealed: bytes = b""
    model_digest: str = ""
    label_source: str = ""
    asked: str = ""


class Plain(NamedTuple):
    """What the seals of a row hold."""

    features: bytes
    label: int


class Snapshot(NamedTuple):
    """Without what is sealed: `row_ids` in order; `counts` by origin."""

    digest: str
    row_ids: list[bytes]
    counts: dict[Origin, int]


SCHEMA = pa.schema(
    [
        ("row_id", pa.binary(ID_BYTES)),
        ("origin", pa.dictionary(pa.int8(), pa.string())),
        ("ident", pa.binary()),
        ("data_subject", pa.binary(ID_BYTES)),
        ("event_time_us", pa.int64()),
        ("sealed", pa.binary()),
        ("label_sealed", pa.binary()),
        ("model_digest", pa.dictionary(pa.int32(), pa.string())),
        ("label_source", pa.dictionary(pa.int32(), pa.string())),
        ("asked", pa.dictionary(pa.int8(), pa.string())),
    ]
)


class RowIds:
    """Keyed ids of rows. `key`: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._keyed = HMAC(key, SHA256())
        self._keyed.update(FORMAT)

    def __call__(self, row: SnapshotRow, plain: Plain) -> bytes:
        """Of all that the row holds; how it is sealed does not matter."""
        held = (*row[:4], *row[6:], plain.features, plain.label)
        return self.of(msgspec.msgpack.encode(held))

    def of(self, content: bytes) -> bytes:
        state = self._keyed.copy()
        state.update(content)
        return state.finalize()[:ID_BYTES]


def digest_of_ids(task: Task, row_ids: Sequence[bytes]) -> str:
    """SHA-256, 64 hex digits, bound to task and schema."""
    digest = hashlib.sha256(b"|".join((FORMAT, task.task_id.encode(), schema_digest(task.schema).encode(), b"")))
    digest.update(b"".join(row_ids))
    return digest.hexdigest()


def path_of(folder: str, digest: str) -> str:
    return f"{folder}/snapshots/{digest}.parquet"


def write_snapshot(files: Blobs, path: str, rows: Sequence[SnapshotRow], row_ids: Sequence[bytes]) -> None:
    """Whole or not at all. Blocking."""
    with files.writing(path) as file, pyarrow.parquet.ParquetWriter(file, SCHEMA) as writer:
        for start in range(0, len(rows), CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            columns = [list(row_ids[chunk]), *map(list, zip(*rows[chunk], strict=True))]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))


def read_snapshot(files: Blobs, folder: str, task: Task, digest: str) -> Snapshot:
    """Ids and counts, the digest checked against them. Blocking. Raises `RecordBroken`, or `InvalidDataFile` when the
    file is gone."""
    table = _table(files, path_of(folder, digest), ["row_id", "origin"])
    row_ids = table.column("row_id").to_pylist()
    _require(digest_of_ids(task, row_ids) == digest, path_of(folder, digest))
    counts = Counter(table.column("origin").to_pylist())
    return Snapshot(digest, row_ids, {origin: counts[origin.value] for origin in Origin if counts[origin.value]})


def read_rows(files: Blobs, folder: str, task: Task, digest: str) -> tuple[list[SnapshotRow], list[bytes]]:
    """All of them, sealed, with their ids. Blocking. Raises as `read_snapshot`."""
    path = path_of(folder, digest)
    columns = [column.to_pylist() for column in _table(files, path, SCHEMA.names).columns]
    row_ids = columns[0]
    _require(digest_of_ids(task, row_ids) == digest, path)
    columns[1] = [_ORIGINS[origin] for origin in columns[1]]
    return list(map(SnapshotRow._make, zip(*columns[1:], strict=True))), row_ids


async def open_snapshot(
    workshop: Workshop, task: Task, rows: Sequence[SnapshotRow], row_ids: Sequence[bytes], ids: RowIds
) -> list[Plain | None]:
    """None where the data subject was erased. Raises `SealBroken` for a row that is not the one its id says."""

    def open_part(keys: Mapping[bytes, bytes], chunk: slice) -> list[Plain | None]:
        found = open_chunk(keys, task, rows[chunk])
        for row, row_id, plain in zip(rows[chunk], row_ids[chunk], found, strict=True):
            if plain is not None and ids(row, plain) != row_id:
                raise SealBroken(
                    "a row is not the one that its id says", where="snapshot", fix="make the snapshot anew"
                )
        return found

    return await opened(workshop, task, [row.data_subject for row in rows], open_part)


def open_chunk(keys: Mapping[bytes, bytes], task: Task, rows: Sequence[SnapshotRow]) -> list[Plain | None]:
    """Raises `SealBroken`."""
    people = [row.data_subject for row in rows]
    inputs = open_rows(keys, task.task_id, [row.ident for row in rows], people, [row.sealed for row in rows])
    apart = [i for i, row in enumerate(rows) if row.label_sealed]
    labels: dict[int, SealedRow | None] = dict(
        zip(
            apart,
            open_rows(
                keys,
                task.task_id,
                [label_row_id(rows[i].ident) for i in apart],
                [people[i] for i in apart],
                [rows[i].label_sealed for i in apart],
            ),
            strict=True,
        )
    )
    return list(_plain(rows, inputs, labels))


def _plain(
    rows: Sequence[SnapshotRow], inputs: Sequence[SealedRow | None], labels: dict[int, SealedRow | None]
) -> Iterator[Plain | None]:
    for i, (row, found) in enumerate(zip(rows, inputs, strict=True)):
        if found is None:
            yield None
        elif row.origin is Origin.WINDOW:
            yield Plain(found.features, -1)
        else:
            label = labels.get(i, found)
            yield None if label is None else Plain(found.features, label.label)


def _table(files: Blobs, path: str, columns: list[str]) -> pa.Table:
    with reading(path, "a snapshot"), files.open(path) as file:
        return pyarrow.parquet.read_table(file, columns=columns)


def _require(holds: bool, path: str) -> None:
    if not holds:
        raise RecordBroken("its rows are not those of its digest", where=path, fix="delete the file: it is made again")
