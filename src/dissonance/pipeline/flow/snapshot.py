"""A snapshot: all rows that a model is made of, as one Parquet file named by a keyed digest of what they hold (ADR 50).

Every row is sealed under its data subject's key, as it is in the store, so that erasing somebody erases them here. A
row's id is a keyed hash (HMAC-SHA-256) of all that it holds; the digest is SHA-256 over the ids in order. Neither tells
anything to whoever has not the key, and the same rows have the same ones, however often they are sealed anew.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from dissonance.contracts.joined import cut
from dissonance.contracts.schema import Task, schema_digest
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import RecordBroken
from dissonance.pipeline.flow.snapshot_proof import AT_ONCE, FileProof, holds, lengths_and_bytes
from dissonance.pipeline.scoring.reading import reading
from dissonance.ports.blobs import Blobs
from dissonance.security.rows import label_row_id, open_rows

FORMAT = b"dissonance snapshot 1"
ID_BYTES = 16
CHUNK_ROWS = 20_000
"""Rows whose keys are held at once."""


class Origin(StrEnum):
    """Stored: never rename one. In this order."""

    TRAIN = "train"
    CRITIC = "critic"
    SOURCE = "source"
    EXPERIENCE = "experience"
    WINDOW = "window"  # inputs without a label, on which the update is held against the model before


PROOF = "dissonance.proof"
"""Of a file's notes."""

_ORIGINS = {each.value: each for each in Origin}
_encode = msgspec.msgpack.Encoder().encode


class SnapshotRow(msgspec.Struct, frozen=True, gc=False):
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


class SnapshotRows(NamedTuple):
    """Rows as a snapshot's file has them, by columns: see `SnapshotRow`."""

    row_ids: list[bytes]
    origins: list[Origin]
    idents: list[bytes]
    data_subjects: list[bytes]
    event_times_us: list[int]
    sealed: list[bytes]
    labels_sealed: list[bytes]
    model_digests: list[str]
    label_sources: list[str]
    asked: list[str]

    def at(self, rows: slice | Sequence[int]) -> SnapshotRows:
        """Those of a stretch, or at these positions."""
        if isinstance(rows, slice):
            return SnapshotRows._make(column[rows] for column in self)
        return SnapshotRows._make([column[i] for i in rows] for column in self)


class Plain(msgspec.Struct, frozen=True, gc=False):
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


class ReadRows(NamedTuple):
    """`proven`: the file is as it was written, and rows need not be held against their ids."""

    rows: SnapshotRows
    proven: bool


class RowIds:
    """Keyed ids of rows. `key`: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._keyed = HMAC(key, SHA256())
        self._keyed.update(FORMAT)

    def __call__(self, row: SnapshotRow, plain: Plain) -> bytes:
        """Of all that the row holds; how it is sealed does not matter."""
        beside = (row.model_digest, row.label_source, row.asked, plain.features, plain.label)
        return self.of(_encode((row.origin, row.ident, row.data_subject, row.event_time_us, *beside)))

    def many(self, rows: SnapshotRows, features: Sequence[bytes], labels: Sequence[int]) -> list[bytes]:
        """As `__call__`, of each."""
        held = zip(
            rows.origins,
            rows.idents,
            rows.data_subjects,
            rows.event_times_us,
            rows.model_digests,
            rows.label_sources,
            rows.asked,
            features,
            labels,
            strict=True,
        )
        return [self.of(_encode(each)) for each in held]

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


def write_snapshot(files: Blobs, path: str, rows: Sequence[SnapshotRow], row_ids: Sequence[bytes], ids: RowIds) -> None:
    """Whole or not at all. Blocking."""
    proof = FileProof(ids.key)
    with files.writing(path) as file, pyarrow.parquet.ParquetWriter(file, SCHEMA) as writer:
        for start in range(0, len(rows), AT_ONCE):
            chunk = slice(start, start + AT_ONCE)
            columns = [list(row_ids[chunk]), *map(list, zip(*map(msgspec.structs.astuple, rows[chunk]), strict=True))]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
            batch = pa.record_batch(arrays, schema=SCHEMA)
            proof.add(batch)
            writer.write_batch(batch)
        writer.add_key_value_metadata({PROOF: proof.value().hex()})


def read_snapshot(files: Blobs, folder: str, task: Task, digest: str) -> Snapshot:
    """Ids and counts, the digest checked against them. Blocking. Raises `RecordBroken`, or `InvalidDataFile` when the
    file is gone."""
    path = path_of(folder, digest)
    table, _ = _table(files, path, ["row_id", "origin"])
    with reading(path, "a snapshot"):
        row_ids, counts = _values(table.column("row_id")), Counter(_values(table.column("origin")))
    _require(digest_of_ids(task, row_ids) == digest, path)
    return Snapshot(digest, row_ids, {origin: counts[origin.value] for origin in Origin if counts[origin.value]})


def read_rows(files: Blobs, folder: str, task: Task, digest: str, ids: RowIds) -> ReadRows:
    """All of them, sealed. Blocking. Raises as `read_snapshot`."""
    path = path_of(folder, digest)
    table, proof = _table(files, path, SCHEMA.names)
    with reading(path, "a snapshot"):
        columns = {name: _values(table.column(name)) for name in SCHEMA.names}
        proven = holds(ids.key, table, proof)
    _require(digest_of_ids(task, columns["row_id"]) == digest, path)
    _require(_ORIGINS.keys() >= set(columns["origin"]), path)
    columns["origin"] = list(map(_ORIGINS.__getitem__, columns["origin"]))
    return ReadRows(SnapshotRows(*columns.values()), proven)


def _values(column: pa.ChunkedArray) -> list[Any]:
    """As `to_pylist`, which takes longer for a value of a dictionary, or of one length, than opening a row does."""
    found: list[Any] = []
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            names = chunk.dictionary.to_pylist()
            found += map(names.__getitem__, chunk.indices.to_numpy().tolist())
        elif pa.types.is_int64(chunk.type):
            found += chunk.to_numpy().tolist()
        else:
            for start in range(0, len(chunk), AT_ONCE):  # rows of one origin are alike, and lie together
                lengths, joined = lengths_and_bytes(chunk.slice(start, AT_ONCE))
                found += cut(joined, lengths)
    return found


def open_chunk(found: Sequence[bytes | None], task: Task, rows: Sequence[SnapshotRow]) -> list[Plain | None]:
    """`found`: the key of each row, None where there is none. Raises `SealBroken`."""
    people = [row.data_subject for row in rows]
    keys = {person: key for person, key in zip(people, found, strict=True) if key is not None}
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


def _table(files: Blobs, path: str, columns: list[str]) -> tuple[pa.Table, bytes]:
    """With its proof, empty in files of before."""
    with reading(path, "a snapshot"), files.open(path) as file, pyarrow.parquet.ParquetFile(file) as parquet:
        _require(_has(parquet.schema_arrow, columns), path)
        return parquet.read(columns), _noted(parquet.metadata.metadata or {})


def _has(there: pa.Schema, columns: list[str]) -> bool:
    """Each once, of its type, which a proof does not say: one category as bytes would equal none as text."""
    return all(
        there.names.count(each) == 1 and _values_of(there.field(each).type) == _values_of(SCHEMA.field(each).type)
        for each in columns
    )


def _values_of(kind: pa.DataType) -> tuple[bool, pa.DataType]:
    """Whether they are a dictionary's, and their type; how many bits number them does not matter."""
    return (True, kind.value_type) if pa.types.is_dictionary(kind) else (False, kind)


def _noted(notes: dict[bytes, bytes]) -> bytes:
    """What is no proof proves nothing."""
    try:
        return bytes.fromhex(notes.get(PROOF.encode(), b"").decode())
    except ValueError:
        return b""


def _require(holds: bool, path: str) -> None:
    if not holds:
        raise RecordBroken("its rows are not those of its digest", where=path, fix="delete the file: it is made again")
