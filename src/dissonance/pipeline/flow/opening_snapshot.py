"""What the seals of a snapshot's rows hold, as columns, each row held against its id."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.joined import cut_alike
from dissonance.contracts.schema import Task
from dissonance.errors import SealBroken
from dissonance.pipeline.flow.snapshot import Origin, ReadRows, RowIds, SnapshotRows
from dissonance.pipeline.opening import Chunk, chunks, opened, those_with_keys
from dissonance.pipeline.workshop import Workshop
from dissonance.security.row_columns import row_columns
from dissonance.security.rows import open_plain, open_plain_labels


class Stretch(NamedTuple):
    """Rows of one origin that could be opened: where they are in the snapshot, their features (n, d), and labels (n,),
    -1 in a window."""

    origin: Origin
    positions: list[int]
    features: NDArray[np.float64]
    labels: NDArray[np.int64]


async def open_snapshot(workshop: Workshop, task: Task, read: ReadRows, ids: RowIds) -> list[Stretch]:
    """In order, without rows of data subjects that were erased. Raises `SealBroken` for a row that is not the one its
    id says, or has another width than the schema."""

    rows, against = read.rows, None if read.proven else ids

    def open_chunk(chunk: Chunk, keys: Sequence[bytes | None]) -> list[Stretch]:
        first = chunk.rows.start
        lengths = [sum(1 for _ in run) for _, run in groupby(rows.origins[chunk.rows])]
        ends = accumulate(lengths, initial=first)
        return [
            _open(task, rows, range(start, stop), keys[start - first : stop - first], against)
            for start, stop in pairwise(ends)
        ]

    return await opened(workshop, task, chunks(rows.data_subjects), open_chunk)


def _open(task: Task, rows: SnapshotRows, run: range, found: Sequence[bytes | None], ids: RowIds | None) -> Stretch:
    """`run`: where rows of one origin are; `found`: their keys; `ids`: what they are held against."""
    places, keys = those_with_keys(found)
    there = [run[i] for i in places]
    part = rows.at(slice(run.start, run.stop) if len(keys) == len(run) else there)
    origin = rows.origins[run.start]
    inputs = open_plain(keys, task.task_id, part.idents, part.data_subjects, part.sealed)
    columns = row_columns(inputs, len(task.schema.features))
    labels = np.full(len(there), -1) if origin is Origin.WINDOW else _labels(keys, task, part, columns.labels)
    if ids is not None and ids.many(part, _bytes_of_each(columns.features), labels.tolist()) != part.row_ids:
        raise SealBroken("a row is not the one that its id says", where="snapshot", fix="make the snapshot anew")
    return Stretch(origin, there, columns.features, labels)


def _labels(keys: Sequence[bytes], task: Task, rows: SnapshotRows, beside: NDArray[np.int64]) -> NDArray[np.int64]:
    """`beside`: those that are sealed with the features; of the rows that have one of its own, that one."""
    apart = [i for i, sealed in enumerate(rows.labels_sealed) if sealed]
    if not apart:
        return beside
    every = len(apart) == len(keys)
    part, their = (rows, keys) if every else (rows.at(apart), [keys[i] for i in apart])
    own = open_plain_labels(their, task.task_id, part.idents, part.data_subjects, part.labels_sealed)
    labels = beside.copy()
    labels[apart] = row_columns(own, 0).labels
    return labels


def _bytes_of_each(features: NDArray[np.float64]) -> list[bytes]:
    return cut_alike(features.tobytes(), 8 * features.shape[1], len(features))
