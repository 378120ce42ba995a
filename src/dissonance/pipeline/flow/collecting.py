"""All rows that an update would be made of, as they were known at a time: reference, a source's, experience, window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import msgspec

from dissonance.contracts.schema import Task
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import SealBroken
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.incoming import Incoming, occurrences
from dissonance.pipeline.flow.snapshot import CHUNK_ROWS, Origin, Plain, RowIds, SnapshotRow, open_chunk
from dissonance.pipeline.mature_window import LEAST_ROWS, MOST_ROWS
from dissonance.pipeline.opening import chunks, opened
from dissonance.pipeline.reference import learnable_rows
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.labels import AskedAs, RequestState
from dissonance.ports.store import LearnableRows, Split
from dissonance.security.rows import reference_row_id, seal_rows

WINDOWS = 10_000
ASKED, RANDOM_CHECK = "asked", "random_check"


class Collected(NamedTuple):
    """Rows with what they hold, those of erased people left out; `golden_excluded` experience is about people of the
    holdout."""

    rows: list[SnapshotRow]
    plain: list[Plain]
    erased: int
    golden_excluded: int


async def collect(workshop: Workshop, task: Task, as_of_us: int, ids: RowIds) -> Collected:
    """What the system itself has. `ids` name sources of labels, which people wrote. Raises `SealBroken` or
    `EngineUnavailable`."""
    rows: list[SnapshotRow] = []
    for split, origin in ((Split.TRAIN, Origin.TRAIN), (Split.CRITIC, Origin.CRITIC)):
        stored = await workshop.store.reference(task.task_id, split)
        rows += [
            SnapshotRow(origin, reference_row_id(number), data_subject, 0, sealed)
            for number, data_subject, sealed in zip(
                stored.row_numbers, stored.data_subjects, stored.sealed, strict=True
            )
        ]
    golden = await workshop.store.golden_data_subjects(task.task_id)
    learnable = await learnable_rows(workshop, task, as_of_us)
    allowed = learnable.at([i for i, each in enumerate(learnable.data_subjects) if each not in golden])
    rows += await _experience(workshop, task, allowed, ids)
    rows += await _window(workshop, task, as_of_us)
    people = [row.data_subject for row in rows]
    found = await opened(workshop, task, chunks(people), lambda chunk, keys: open_chunk(keys, task, rows[chunk.rows]))
    there = [(row, plain) for row, plain in zip(rows, found, strict=True) if plain is not None]
    return Collected(
        [row for row, _ in there],
        [plain for _, plain in there],
        len(rows) - len(there),
        len(learnable.data_subjects) - len(allowed.data_subjects),
    )


async def _experience(workshop: Workshop, task: Task, learnable: LearnableRows, ids: RowIds) -> list[SnapshotRow]:
    requests = await workshop.store.requests_for(task.task_id, learnable.prediction_ids)
    asked = {
        each.prediction_id: RANDOM_CHECK if each.asked_as is AskedAs.RANDOM_CHECK else ASKED
        for each in sorted(requests, key=lambda each: each.asked_as is AskedAs.RANDOM_CHECK)
        if each.state is RequestState.ANSWERED
    }
    sources = {each: ids.of(b"label source|" + each.encode()).hex() for each in set(learnable.label_sources)}
    return list(
        map(
            SnapshotRow,
            repeat(Origin.EXPERIENCE),
            learnable.prediction_ids,
            learnable.data_subjects,
            learnable.event_times_us,
            learnable.sealed,
            learnable.labels_sealed,
            learnable.model_digests,
            map(sources.__getitem__, learnable.label_sources),
            (asked.get(each, "") for each in learnable.prediction_ids),
        )
    )


async def _window(workshop: Workshop, task: Task, as_of_us: int) -> list[SnapshotRow]:
    """Of the newest window that had closed by then, if it has enough rows: see `mature_window`."""
    for window in await workshop.store.windows(task.task_id, WINDOWS):
        if not window.closed or window.end_us > as_of_us or window.rows < LEAST_ROWS:
            continue
        found = await workshop.store.between(task.task_id, window.start_us, window.end_us, MOST_ROWS)
        rows = [row for row in found if row.processing_time_us <= as_of_us]
        if len(rows) >= LEAST_ROWS:
            return [
                SnapshotRow(Origin.WINDOW, row.prediction_id, row.data_subject, row.event_time_us, row.sealed)
                for row in rows
            ]
    return []


class Sealable(NamedTuple):
    """Rows of a source that are not sealed yet; the rows' own `sealed` is empty."""

    rows: list[SnapshotRow]
    plain: list[Plain]


async def without_erased(bench: Bench, task: Task, incoming: Incoming) -> Incoming:
    """Nobody who was erased comes back with a source that still has them."""
    if incoming.data_subjects is None:
        return incoming
    people = list(dict.fromkeys(incoming.data_subjects))
    there: set[bytes] = set()
    for start in range(0, len(people), CHUNK_ROWS):
        there |= (await bench.workshop.keys.obtain(task.task_id, people[start : start + CHUNK_ROWS])).keys()
    return incoming.only([i for i, person in enumerate(incoming.data_subjects) if person in there])


def prepare(bench: Bench, task: Task, incoming: Incoming, ids: RowIds) -> Sealable:
    """Each gets an id of what it holds, and is a data subject of its own where nobody is named."""
    contents = [(*incoming.content(row), int(incoming.times_us[row])) for row in range(len(incoming.times_us))]
    rows, plain = [], []
    for (subject, features, label, time_us), number in zip(contents, occurrences(contents), strict=True):
        ident = ids.of(b"|".join((b"source", subject, features, b"%d|%d|%d" % (label, time_us, number))))
        person = subject or bench.workshop.keys.data_subject_hash(task.task_id, f"source row:{ident.hex()}")
        rows.append(SnapshotRow(Origin.SOURCE, b"source" + ident, person, time_us, b""))
        plain.append(Plain(features, label))
    return Sealable(rows, plain)


async def sealed(bench: Bench, task: Task, unsealed: Sealable) -> list[SnapshotRow]:
    """Under keys of their data subjects, which are made where there are none. Raises `KeyDestroyed` for somebody who
    was erased just now."""
    done: list[SnapshotRow] = []
    for start in range(0, len(unsealed.rows), CHUNK_ROWS):
        chunk = unsealed.rows[start : start + CHUNK_ROWS]
        plain = unsealed.plain[start : start + CHUNK_ROWS]
        people = [row.data_subject for row in chunk]
        keys = await bench.workshop.keys.obtain(task.task_id, list(set(people)))
        blobs = await asyncio.to_thread(
            seal_rows,
            keys,
            task.task_id,
            [row.ident for row in chunk],
            people,
            [SealedRow(features=each.features, label=each.label) for each in plain],
            bench.workshop.randomness,
        )
        done += [msgspec.structs.replace(row, sealed=blob) for row, blob in zip(chunk, blobs, strict=True)]
    return done


def in_order(rows: Sequence[SnapshotRow], plain: Sequence[Plain]) -> tuple[list[SnapshotRow], list[Plain]]:
    """By origin; what is of one origin stays as it is."""
    place = {origin: number for number, origin in enumerate(Origin)}
    order = sorted(range(len(rows)), key=lambda i: place[rows[i].origin])
    if any(each.label < 0 for row, each in zip(rows, plain, strict=True) if row.origin is not Origin.WINDOW):
        raise SealBroken("a row that is to be learnt from has no label", where="label", fix="restore it from a backup")
    return [rows[i] for i in order], [plain[i] for i in order]
