"""Labelled rows into the store, sealed, and out of it again."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.schema import Task
from dissonance.contracts.sealed import SealedRow
from dissonance.contracts.times import LATEST_US
from dissonance.errors import SealBroken
from dissonance.pipeline.opening import chunks, opened, those_with_keys
from dissonance.pipeline.training import LabelledRows
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.store import LearnableRows, ReferenceRows, Split, Window
from dissonance.security.row_columns import row_columns
from dissonance.security.rows import open_plain, open_plain_labels, reference_row_id, reference_row_ids, seal_rows

CHUNK_ROWS = 20_000
"""Rows whose keys are held at once."""


class Provenance(NamedTuple):
    """Where labelled experience is from, row by row: what was predicted, when, by which model, and who gave the
    label."""

    prediction_ids: list[bytes]
    event_times_us: list[int]
    model_digests: list[str]
    label_sources: list[str]

    def at(self, positions: Sequence[int]) -> Provenance:
        return Provenance._make([column[i] for i in positions] for column in self)


NOWHERE = Provenance([], [], [], [])
"""Of rows that are no experience."""


class OpenedRows(NamedTuple):
    """Rows that could be opened. `row_numbers` of the data file (-1 for experience), `data_subjects` by their hash;
    `erased`: rows left out because their data subject's key is gone."""

    rows: LabelledRows
    row_numbers: list[int]
    data_subjects: list[bytes]
    erased: int
    provenance: Provenance = NOWHERE

    def only(self, kept: Sequence[int]) -> OpenedRows:
        """The rows at these positions."""
        return OpenedRows(
            rows=self.rows.at(np.array(kept, dtype=np.int64)),
            row_numbers=[self.row_numbers[i] for i in kept],
            data_subjects=[self.data_subjects[i] for i in kept],
            erased=self.erased,
            provenance=self.provenance.at(kept) if self.provenance.prediction_ids else NOWHERE,
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
    return await _open_parts(workshop, task, workshop.store.reference_pages(task.task_id, split))


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


async def open_stored(workshop: Workshop, task: Task, stored: ReferenceRows) -> OpenedRows:
    """Those that can be opened. Raises as `open_reference` does."""
    return await _open_parts(workshop, task, _by_chunks(stored))


async def _by_chunks(stored: ReferenceRows) -> AsyncGenerator[ReferenceRows, None]:
    async for chunk in chunks(stored.data_subjects):
        yield ReferenceRows(*(column[chunk.rows] for column in msgspec.structs.astuple(stored)))


class _Part(NamedTuple):
    """Of some rows those that could be opened, and what they hold. `erased`: how many could not."""

    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    row_numbers: list[int]
    data_subjects: list[bytes]
    erased: int
    provenance: Provenance = NOWHERE


async def _open_parts(workshop: Workshop, task: Task, parts: AsyncGenerator[ReferenceRows, None]) -> OpenedRows:
    def open_part(stored: ReferenceRows, found: Sequence[bytes | None]) -> list[_Part]:
        there, keys = those_with_keys(found)
        if len(there) < len(found):
            stored = ReferenceRows(*([column[i] for i in there] for column in msgspec.structs.astuple(stored)))
        ids = reference_row_ids(stored.row_numbers)
        plain = open_plain(keys, task.task_id, ids, stored.data_subjects, stored.sealed)
        columns = row_columns(plain, len(task.schema.features))
        erased = len(found) - len(there)
        return [_Part(columns.features, columns.labels, stored.row_numbers, stored.data_subjects, erased)]

    return _joined(task, await opened(workshop, task, parts, open_part))


async def open_experience(workshop: Workshop, task: Task) -> OpenedRows:
    """Admitted rows that have a label, in order of event time."""
    return await _open_labelled(workshop, task, workshop.store.learnable(task.task_id))


async def open_answered(
    workshop: Workshop, task: Task, model_digest: str, outside: Window, most_rows: int
) -> OpenedRows:
    """Of those the newest that this model answered, itself or in a shadow, and so did not learn from; none of a
    window."""
    stored = await workshop.store.answered(task.task_id, model_digest, outside, most_rows)
    return await _open_labelled(workshop, task, _alone(stored))


async def learnable_rows(workshop: Workshop, task: Task, as_of_us: int = LATEST_US) -> LearnableRows:
    """All of them, sealed, in order of event time."""
    parts = [part async for part in workshop.store.learnable(task.task_id, as_of_us)]
    found = LearnableRows._make(_columns(parts, LearnableRows._fields))
    return found.at(_by_time(found.event_times_us))


async def _alone(rows: LearnableRows) -> AsyncGenerator[LearnableRows, None]:
    yield rows


async def _open_labelled(workshop: Workshop, task: Task, parts: AsyncGenerator[LearnableRows, None]) -> OpenedRows:
    def open_part(rows: LearnableRows, found: Sequence[bytes | None]) -> list[_Part]:
        there, keys = those_with_keys(found)
        rows = rows.at(there) if len(there) < len(found) else rows
        ids, people = rows.prediction_ids, rows.data_subjects
        inputs = open_plain(keys, task.task_id, ids, people, rows.sealed)
        labels = open_plain_labels(keys, task.task_id, ids, people, rows.labels_sealed)
        return [
            _Part(
                features=row_columns(inputs, len(task.schema.features)).features,
                labels=row_columns(labels, 0).labels,
                row_numbers=[-1] * len(there),
                data_subjects=people,
                erased=len(found) - len(there),
                provenance=Provenance(ids, rows.event_times_us, rows.model_digests, rows.label_sources),
            )
        ]

    rows = _joined(task, await opened(workshop, task, parts, open_part))
    times = np.array(rows.provenance.event_times_us, dtype=np.int64)
    return rows if (times[1:] >= times[:-1]).all() else rows.only(_by_time(rows.provenance.event_times_us))


def _by_time(event_times_us: Sequence[int]) -> list[int]:
    """Rows of one time stay in the order of their ids."""
    return sorted(range(len(event_times_us)), key=event_times_us.__getitem__)


def _joined(task: Task, parts: Sequence[_Part]) -> OpenedRows:
    features = np.concatenate([np.empty((0, len(task.schema.features))), *(part.features for part in parts)])
    classes = np.concatenate([np.empty(0, dtype=np.int64), *(part.labels for part in parts)])
    if len(classes) and not (classes.min() >= 0 and classes.max() < len(task.classes)):
        raise SealBroken("a stored row has no label of the task", where="label", fix="restore it from a backup")
    return OpenedRows(
        rows=LabelledRows(features, classes),
        row_numbers=[each for part in parts for each in part.row_numbers],
        data_subjects=[each for part in parts for each in part.data_subjects],
        erased=sum(part.erased for part in parts),
        provenance=Provenance._make(_columns([part.provenance for part in parts], Provenance._fields)),
    )


def _columns(parts: Sequence[tuple[list[Any], ...]], names: Sequence[str]) -> list[list[Any]]:
    """Each one after the other."""
    return [list(chain.from_iterable(part[i] for part in parts)) for i in range(len(names))]


def without(opened: OpenedRows, data_subjects: frozenset[bytes]) -> OpenedRows:
    """The rows that are about none of these data subjects."""
    return opened.only([i for i, each in enumerate(opened.data_subjects) if each not in data_subjects])


def digest_of(rows: LabelledRows) -> str:
    """SHA-256 over features and classes, in order, 64 hex digits."""
    digest = hashlib.sha256(np.ascontiguousarray(rows.features).tobytes())
    digest.update(np.ascontiguousarray(rows.classes).tobytes())
    return digest.hexdigest()
