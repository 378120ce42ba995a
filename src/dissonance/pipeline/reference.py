"""Labelled rows into the store, sealed, and out of it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.schema import Task
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import SealBroken
from dissonance.pipeline.opening import opened
from dissonance.pipeline.training import LabelledRows
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.store import Learnable, ReferenceRows, Split, Window
from dissonance.security.row_columns import row_columns
from dissonance.security.rows import label_row_id, open_plain, reference_row_id, reference_row_ids, seal_rows

CHUNK_ROWS = 20_000
"""Rows whose keys are held at once."""


class OpenedRows(NamedTuple):
    """Rows that could be opened. `row_numbers` of the data file (-1 for experience), `data_subjects` by their hash;
    `erased`: rows left out because their data subject's key is gone. `experience`: as it is stored; of reference rows
    nothing."""

    rows: LabelledRows
    row_numbers: list[int]
    data_subjects: list[bytes]
    erased: int
    experience: tuple[Learnable, ...] = ()

    def only(self, kept: Sequence[int]) -> OpenedRows:
        """The rows at these positions."""
        return OpenedRows(
            rows=self.rows.at(np.array(kept, dtype=np.int64)),
            row_numbers=[self.row_numbers[i] for i in kept],
            data_subjects=[self.data_subjects[i] for i in kept],
            erased=self.erased,
            experience=tuple(self.experience[i] for i in kept) if self.experience else (),
        )


async def store_reference(
    workshop: Workshop,
    task: Task,
    rows: LabelledRows,
    splits: Sequence[Split],
    data_subjects: Sequence[str],
    progress: Callable[[float], None],
) -> None:
    """Seal every row under its data subject's key and store it. `data_subjects`: ids in plain, one a row; `progress` is
    told what share is done."""
    for start in range(0, len(data_subjects), CHUNK_ROWS):
        progress(start / len(data_subjects))
        chunk = slice(start, start + CHUNK_ROWS)
        part = rows.at(np.arange(start, min(start + CHUNK_ROWS, len(data_subjects))))
        sealed = await sealed_reference(workshop, task, part, splits[chunk], data_subjects[chunk], start)
        await workshop.store.add_reference(task.task_id, sealed)


async def sealed_reference(
    workshop: Workshop,
    task: Task,
    rows: LabelledRows,
    splits: Sequence[Split],
    data_subjects: Sequence[str],
    first: int,
) -> ReferenceRows:
    """As they are stored, with numbers from `first` on."""
    hashes = workshop.keys.data_subject_hashes(task.task_id, data_subjects)
    sealed: list[bytes] = []
    for start in range(0, len(hashes), CHUNK_ROWS):
        chunk = range(start, min(start + CHUNK_ROWS, len(hashes)))
        keys = await workshop.keys.obtain(task.task_id, list({hashes[i] for i in chunk}))
        sealed += seal_rows(
            keys,
            task.task_id,
            [reference_row_id(first + i) for i in chunk],
            [hashes[i] for i in chunk],
            [SealedRow(features=rows.features[i].tobytes(), label=int(rows.classes[i])) for i in chunk],
            workshop.randomness,
        )
    return ReferenceRows(list(range(first, first + len(hashes))), list(splits), hashes, sealed)


async def open_reference(workshop: Workshop, task: Task, split: Split) -> OpenedRows:
    """Raises `SealBroken` when a row was changed or holds no label."""
    return await open_stored(workshop, task, await workshop.store.reference(task.task_id, split))


def kept_from_updates(data_subject: bytes) -> bool:
    """Half of the critic's split, by data subject: no proposer ever learns from it, so that windows can be estimated
    from it (ADR 34)."""
    return data_subject[0] % 2 == 1


async def open_kept(workshop: Workshop, task: Task, most_rows: int) -> OpenedRows:
    """Of that half at most so many rows, spread evenly. Raises as `open_reference` does."""
    stored = await workshop.store.reference(task.task_id, Split.CRITIC)
    kept = [i for i, data_subject in enumerate(stored.data_subjects) if kept_from_updates(data_subject)]
    if len(kept) > most_rows:
        kept = [kept[i * (len(kept) - 1) // (most_rows - 1)] for i in range(most_rows)]
    return await open_stored(
        workshop, task, ReferenceRows(*([column[i] for i in kept] for column in msgspec.structs.astuple(stored)))
    )


class _Part(NamedTuple):
    """Of a chunk: positions of the rows that could be opened, and what they hold."""

    positions: list[int]
    features: NDArray[np.float64]
    labels: NDArray[np.int64]


async def open_stored(workshop: Workshop, task: Task, stored: ReferenceRows) -> OpenedRows:
    """Those that can be opened. Raises as `open_reference` does."""

    def open_chunk(keys: Sequence[bytes | None], chunk: slice) -> list[_Part]:
        ids = reference_row_ids(stored.row_numbers[chunk])
        plain = open_plain(keys, task.task_id, ids, stored.data_subjects[chunk], stored.sealed[chunk])
        columns = row_columns([row for row in plain if row is not None], len(task.schema.features))
        there = [i for i, row in enumerate(plain, start=chunk.start) if row is not None]
        return [_Part(there, columns.features, columns.labels)]

    parts = await opened(workshop, task, stored.data_subjects, open_chunk)
    there = [i for part in parts for i in part.positions]
    return OpenedRows(
        rows=_labelled(task, parts),
        row_numbers=[stored.row_numbers[i] for i in there],
        data_subjects=[stored.data_subjects[i] for i in there],
        erased=len(stored.row_numbers) - len(there),
    )


async def open_experience(workshop: Workshop, task: Task) -> OpenedRows:
    """Admitted rows that have a label, in order of event time."""
    return await _open_labelled(workshop, task, await workshop.store.learnable(task.task_id))


async def open_answered(
    workshop: Workshop, task: Task, model_digest: str, outside: Window, most_rows: int
) -> OpenedRows:
    """Of those the newest that this model answered, itself or in a shadow, and so did not learn from; none of a
    window."""
    answered = [
        row
        for row in await workshop.store.learnable(task.task_id)
        if model_digest in (row.model_digest, row.shadow_digest)
        and not outside.start_us <= row.event_time_us < outside.end_us
    ]
    return await _open_labelled(workshop, task, answered[-most_rows:])


async def _open_labelled(workshop: Workshop, task: Task, rows: Sequence[Learnable]) -> OpenedRows:
    data_subjects = [row.data_subject for row in rows]

    def open_chunk(found: Sequence[bytes | None], chunk: slice) -> list[_Part]:
        there = [i for i, key in enumerate(found, start=chunk.start) if key is not None]
        keys, part = [key for key in found if key is not None], [rows[i] for i in there]
        ids, people = [row.prediction_id for row in part], [row.data_subject for row in part]
        inputs = open_plain(keys, task.task_id, ids, people, [row.sealed for row in part])
        label_ids = [label_row_id(each) for each in ids]
        labels = open_plain(keys, task.task_id, label_ids, people, [row.label_sealed for row in part])
        features = row_columns([row for row in inputs if row is not None], len(task.schema.features)).features
        return [_Part(there, features, row_columns([row for row in labels if row is not None], 0).labels)]

    parts = await opened(workshop, task, data_subjects, open_chunk)
    there = [i for part in parts for i in part.positions]
    return OpenedRows(
        rows=_labelled(task, parts),
        row_numbers=[-1] * len(there),
        data_subjects=[data_subjects[i] for i in there],
        erased=len(rows) - len(there),
        experience=tuple(rows[i] for i in there),
    )


def without(opened: OpenedRows, data_subjects: frozenset[bytes]) -> OpenedRows:
    """The rows that are about none of these data subjects."""
    return opened.only([i for i, each in enumerate(opened.data_subjects) if each not in data_subjects])


def digest_of(rows: LabelledRows) -> str:
    """SHA-256 over features and classes, in order, 64 hex digits."""
    digest = hashlib.sha256(np.ascontiguousarray(rows.features).tobytes())
    digest.update(np.ascontiguousarray(rows.classes).tobytes())
    return digest.hexdigest()


def _labelled(task: Task, parts: Sequence[_Part]) -> LabelledRows:
    features = np.concatenate([np.empty((0, len(task.schema.features))), *(part.features for part in parts)])
    classes = np.concatenate([np.empty(0, dtype=np.int64), *(part.labels for part in parts)])
    if len(classes) and not (classes.min() >= 0 and classes.max() < len(task.classes)):
        raise SealBroken("a stored row has no label of the task", where="label", fix="restore it from a backup")
    return LabelledRows(features, classes)
